"""Estimates of a spectrum against the exact one: of known matrices, of a network's whole Hessian, and what they leave alone."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from heron_ray.errors import SpecError
from heron_ray.measure.spectrum import hessian_product, spectrum
from heron_ray.methods import make_method
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, Simulation
from heron_ray.simulation.curvature import client_spectrum, spectrum_at
from heron_ray.simulation.digest import TrajectoryDigest
from heron_ray.simulation.events import HessianSpectrum, RoundFinished
from heron_ray.simulation.setup import Setup
from heron_ray.spec.compute import SpectrumSpec
from tests.conftest import MakeSpec, method_overrides

SMALL = ["model={kind: mlp, front: [4], back: [4], auxiliary: {kind: linear}}"]


def rotated(values: Tensor) -> Tensor:
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    basis, _ = torch.linalg.qr(
        torch.randn(len(values), len(values), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    )
    return basis @ torch.diag(values) @ basis.T


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12), st.integers(0, 1000))
def test_with_as_many_steps_as_dimensions_nothing_is_left_to_chance_but_the_density(values: list[float], seed: int) -> None:
    matrix = rotated(torch.tensor(values, dtype=torch.float64))
    found = spectrum(lambda v: matrix @ v, len(values), lanczos_steps=20, seeds=[seed * 100 + number for number in range(24)])
    assert found.norm == pytest.approx(max(map(abs, values)), rel=1e-6, abs=1e-9)
    assert found.trace == pytest.approx(sum(values), rel=1e-6, abs=1e-8)  # 12 sketches span all of it
    assert sum(found.weights) == pytest.approx(1)
    assert sum(1 for node in found.nodes if abs(node) > found.norm * (1 + 1e-9)) == 0


def test_a_low_effective_rank_is_found_with_few_products() -> None:
    values = torch.cat([torch.tensor([50.0, 20.0, 5.0]), torch.full((997,), 0.002)]).double()
    matrix = rotated(values)
    found = spectrum(lambda v: matrix @ v, 1000, lanczos_steps=10, seeds=range(16))
    assert found.norm == pytest.approx(50, rel=1e-6)
    assert found.norm_residual < 1e-4
    assert found.trace == pytest.approx(float(values.sum()), rel=1e-3)
    assert found.effective_rank == pytest.approx(float(values.sum()) / 50, rel=1e-3)
    assert found.products < 8 * 12  # Lanczos ends early: there are four different eigenvalues


def test_the_error_of_the_trace_is_the_scatter_over_seeds() -> None:
    values = torch.linspace(-1, 1, 300, dtype=torch.float64).pow(3) + 0.1
    matrix = rotated(values)
    found = [spectrum(lambda v: matrix @ v, 300, lanczos_steps=2, seeds=range(8 * one, 8 * one + 8)) for one in range(200)]
    errors = np.array([one.trace for one in found]) - float(values.sum())
    stated = math.sqrt(np.mean([one.trace_error**2 for one in found]))
    assert abs(errors.mean()) < 4 * errors.std() / math.sqrt(len(errors))
    assert stated == pytest.approx(errors.std(), rel=0.2)


def test_the_density_has_the_moments_of_the_spectrum() -> None:
    values = torch.linspace(-2, 6, 400, dtype=torch.float64)
    found = spectrum(lambda v: values * v, 400, lanczos_steps=12, seeds=range(80))
    nodes, weights = np.array(found.nodes), np.array(found.weights)
    for power in (1, 2, 3):
        assert (weights * nodes**power).sum() == pytest.approx(float(values.pow(power).mean()), rel=0.05)
    assert found.positive_trace == pytest.approx(float(values.clamp(min=0).sum()), rel=0.05)


def test_many_nodes_become_few_that_keep_weight_mean_and_what_stands_apart() -> None:
    values = torch.cat([torch.linspace(-1, 1, 399, dtype=torch.float64), torch.tensor([50.0], dtype=torch.float64)])
    found = spectrum(lambda v: values * v, 400, lanczos_steps=12, seeds=range(80))
    nodes, weights = (np.array(one) for one in found.merged(64))
    assert len(nodes) == len(weights) <= 64 < len(found.nodes)
    assert (np.diff(nodes) > 0).all()
    assert weights.sum() == pytest.approx(1)
    assert nodes @ weights == pytest.approx(np.array(found.nodes) @ np.array(found.weights))
    assert nodes[-1] == pytest.approx(50, abs=1e-3)
    assert found.merged(480) == (list(found.nodes), list(found.weights))
    same = spectrum(lambda v: 3 * v, 5, lanczos_steps=3, seeds=range(8))
    assert [sum(one) for one in same.merged(1)] == pytest.approx([3, 1])


def test_zero_and_what_is_not_finite() -> None:
    assert spectrum(lambda v: v * 0, 5, lanczos_steps=3, seeds=range(4)).effective_rank == 0
    assert math.isnan(spectrum(lambda v: v * math.inf, 5, lanczos_steps=3, seeds=range(4)).effective_rank)
    with pytest.raises(ValueError, match="two per probe"):
        spectrum(lambda v: v, 5, lanczos_steps=3, seeds=range(5))


def test_a_linear_loss_has_no_curvature() -> None:
    theta = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert hessian_product(theta.sum(), [theta])(torch.ones(3, dtype=torch.float64)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["heron", "cse_fsl", "sflv2", "fedzo"])
def test_the_clients_loss_has_the_spectrum_of_its_exact_hessian(make_spec: MakeSpec, kind: str) -> None:
    """Written out with torch.func for theta = what a client holds, on the samples that the look draws."""
    setup = Setup.build(make_spec(*method_overrides(kind), *SMALL))
    method, model = make_method(setup.spec.method), setup.build_model()
    options = SpectrumSpec(samples=10_000, probes=40, lanczos_steps=25)  # all training samples
    found = client_spectrum(setup, method, model, options, round=7)
    head = "auxiliary" if kind in ("heron", "cse_fsl") else "back"
    x, y = setup.dataset.train.x.double(), setup.dataset.train.y
    front, last = model.front.double(), getattr(model, head).double()
    held = dict(front.named_parameters(prefix="front"))
    if kind != "sflv2":
        held |= dict(last.named_parameters(prefix="head"))

    def loss(flat: Tensor) -> Tensor:
        pieces = dict(zip(held, flat.split([one.numel() for one in held.values()]), strict=True))
        shaped = {name: pieces[name].view(one.shape) for name, one in held.items()}
        parts = {
            part: {n.removeprefix(f"{part}."): v for n, v in shaped.items() if n.startswith(part)} for part in ("front", "head")
        }
        z = torch.func.functional_call(front, parts["front"], (x,))
        return torch.nn.functional.cross_entropy(torch.func.functional_call(last, parts["head"], (z,)), y)

    theta = torch.cat([one.detach().flatten() for one in held.values()])
    exact = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, theta))
    assert found.size == len(theta)
    assert found.norm == pytest.approx(float(exact.abs().max()), rel=1e-6)
    assert found.trace_error < 0.05 * found.positive_trace
    assert abs(found.trace - float(exact.sum())) < 5 * found.trace_error
    assert found.positive_trace == pytest.approx(float(exact.clamp(min=0).sum()), rel=0.1)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_look_leaves_the_model_and_its_running_statistics_alone(stripes: Path, make_spec: MakeSpec, precision: str) -> None:
    resnet = "model={kind: resnet18, width: 2, auxiliary: {kind: pooled_linear}}"
    setup = Setup.build(
        make_spec(
            "data={kind: image_folder, path: stripes, classes: 2, height: 8, width: 8, channels: 1}",
            resnet,
            "partition={kind: iid}",
        )
    )
    method, model = make_method(setup.spec.method), setup.build_model()
    before = [
        {name: value.clone() for name, value in part.state_dict().items()}
        for part in (model.front, model.auxiliary, model.back)
    ]
    options = SpectrumSpec(samples=16, probes=2, lanczos_steps=4, precision=precision)
    found = client_spectrum(setup, method, model, options, round=1)
    assert found.norm > 0
    assert found.to_dict() == client_spectrum(setup, method, model, options, round=1).to_dict()
    for part, old in zip((model.front, model.auxiliary, model.back), before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in part.state_dict().items())
        assert not any(parameter.grad is not None for parameter in part.parameters())


def finished(spec: Any, **options: Any) -> list[dict[str, float]]:
    sink = ListSink()
    with LocalExecutor() as executor:
        Simulation(spec, executor, sink=sink, **options).run()
    return [dict(event.metrics) for event in sink.events if isinstance(event, RoundFinished)]


def test_looks_are_series_that_change_nothing_else_and_are_what_a_checkpoint_shows(make_spec: MakeSpec, tmp_path: Path) -> None:
    looks = make_spec("evaluation.spectrum={every: 4, samples: 32, probes: 2, lanczos_steps: 5}")
    checkpointer = Checkpointer(tmp_path)
    plain, with_looks = finished(make_spec()), finished(looks, checkpointer=checkpointer)
    series = {"client_hessian_norm", "client_hessian_trace", "client_effective_rank"}
    for before, after in zip(plain, with_looks, strict=True):
        assert {name: value for name, value in after.items() if name not in series} == before
    assert [set(after) & series for after in with_looks] == [set(), set(), set(), series]
    options = looks.evaluation.spectrum
    assert options is not None
    found = spectrum_at(looks, checkpointer.load(checkpointer.paths()[0]), options)
    last = with_looks[-1]
    assert (found.norm, found.trace) == (last["client_hessian_norm"], last["client_hessian_trace"])
    assert spectrum_at(looks, None, options).norm != found.norm


LOOKS = "evaluation.spectrum={every: 2, samples: 32, probes: 2, lanczos_steps: 4}"


def test_looks_are_events_that_no_digest_knows_and_none_is_told_twice(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(LOOKS, "rounds=8", "compute.checkpoint_every=3")
    whole, parts = ListSink(), ListSink()
    checkpointer = Checkpointer(tmp_path)
    rounds = iter([False] * 5 + [True])
    with LocalExecutor() as executor:
        expected = Simulation(spec, executor, sink=whole).run()
        Simulation(spec, executor, sink=parts, checkpointer=checkpointer, should_stop=lambda: next(rounds)).run()
        shutil.rmtree(checkpointer.paths()[0])  # as where it was killed: rounds 4 and 5 are computed again
        resumed = Simulation(spec, executor, sink=parts, checkpointer=checkpointer, resume=True).run()
    assert resumed.trajectory_digest == expected.trajectory_digest
    looks = [event for event in whole.events if isinstance(event, HessianSpectrum)]
    again = [event for event in parts.events if isinstance(event, HessianSpectrum)]
    assert [event.key for event in looks] == [f"spectrum:{round}" for round in (2, 4, 6, 8)]
    assert [event.round for event in again] == [2, 4, 4, 6, 8]
    assert {event.key: event for event in again} == {event.key: event for event in looks}
    for look in looks:
        assert len(look.nodes) == len(look.weights) == 8
        assert np.isfinite([look.nodes, look.weights]).all()
        assert sum(look.weights) == pytest.approx(1)
    metrics = {event.round: event.metrics for event in whole.events if isinstance(event, RoundFinished)}
    for look in looks:
        assert max(map(abs, look.nodes)) == metrics[look.round]["client_hessian_norm"]
    digest = TrajectoryDigest()
    for round, one in metrics.items():
        digest.add_round(round, one)
    assert checkpointer.load(checkpointer.paths()[0]).progress["digest"] == digest.link


def test_what_cannot_be_looked_at_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match=r"no multiple of evaluation\.every=2"):
        make_spec("evaluation.spectrum={every: 3}")
    with pytest.raises(SpecError, match="no loss in common"):
        make_spec("method.kind=frozen_client", "evaluation.spectrum={}")
    with pytest.raises(SpecError, match="no loss in common"):
        spectrum_at(make_spec(*method_overrides("fedgkt")), None, SpectrumSpec())


def test_a_spec_without_looks_has_the_hash_it_always_had(make_spec: MakeSpec) -> None:
    assert "spectrum" not in make_spec().canonical()["evaluation"]
    assert make_spec("evaluation.spectrum={}").spec_hash() != make_spec().spec_hash()
