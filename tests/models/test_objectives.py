"""Objectives without a derivative: the values of scikit-learn, the bits of single clients, and who may descend them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from heron_ray.errors import SpecError
from heron_ray.measure.accuracy import evaluate
from heron_ray.methods.registry import METHODS
from heron_ray.models.objectives import OBJECTIVES, macro_f1, zero_one
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.fork import require_forkable
from tests.conftest import MakeSpec, method_overrides

METRICS = [kind for kind in OBJECTIVES if kind != "cross_entropy"]
COARSE = "method.zeroth_order={mu: 1.0, probes: 4}"


def drawn(clients: int, samples: int, classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(clients, samples, classes, generator=draw)
    return logits, torch.randint(classes, (clients, samples), generator=draw)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(2, 12), st.integers(0, 10_000))
def test_metrics_are_those_of_scikit_learn(samples: int, classes: int, seed: int) -> None:
    logits, y = (tensor[0] for tensor in drawn(1, samples, classes, seed))
    predicted = logits.argmax(1)
    f1 = f1_score(y, predicted, average="macro", zero_division=0)
    assert float(zero_one(logits, y)) == pytest.approx(1 - accuracy_score(y, predicted))
    assert float(macro_f1(logits, y)) == pytest.approx(1 - f1, abs=1e-6)
    score = evaluate(lambda x: x, {"": lambda z: z}, logits, y, batch_size=7, device=torch.device("cpu"))[""]
    assert score.macro_f1 == pytest.approx(f1)


@pytest.mark.parametrize("objective", OBJECTIVES.values())
def test_several_clients_have_the_bits_of_each_alone(objective) -> None:
    logits, y = drawn(5, 33, 10, seed=3)
    together = objective(logits, y)
    assert together.shape == (5,)
    for number in range(5):
        assert torch.equal(together[number], objective(logits[number].clone(), y[number].clone()))


def run(spec: ExperimentSpec) -> tuple[str, list[dict[str, float]]]:
    sink = ListSink()
    with LocalExecutor() as executor:
        digest = Simulation(spec, executor, sink=sink).run().trajectory_digest
    return digest, [dict(event.metrics) for event in sink.events if isinstance(event, RoundFinished)]


@pytest.mark.parametrize("objective", METRICS)
@pytest.mark.parametrize("kind", ["heron", "fedzo"])
def test_a_client_descends_its_objective_and_reports_it(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, kind: str, objective: str
) -> None:
    spec = make_spec(*method_overrides(kind), f"method.objective={objective}", COARSE, "rounds=2")
    together, rounds = run(spec)
    assert all(0 <= metrics["client_loss"] <= 1 for metrics in rounds)
    assert together != run(make_spec(*method_overrides(kind), COARSE, "rounds=2"))[0]
    monkeypatch.setattr("heron_ray.simulation.setup.BLOCK", 1)
    assert run(spec)[0] == together


def test_scalars_replay_a_metric_too(make_spec: MakeSpec) -> None:
    metric = [COARSE, "method.objective=zero_one", "rounds=2"]
    losses = [
        [m["test_loss"] for m in run(make_spec(*metric, f"method.upload={way}"))[1] if "test_loss" in m]
        for way in ("vectors", "scalars")
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", [kind for kind in METHODS if kind not in ("heron", "fedzo")])
def test_a_method_that_differentiates_refuses_a_metric(make_spec: MakeSpec, kind: str) -> None:
    with pytest.raises(SpecError, match=rf"method.objective: zero_one has no derivative, and {kind}'s clients"):
        make_spec(*method_overrides(kind), "method.objective=zero_one")


@pytest.mark.parametrize("other", ["compute.compile=true", "evaluation.estimator_quality=true", "evaluation.spectrum={}"])
def test_what_is_about_cross_entropy_refuses_a_metric(make_spec: MakeSpec, other: str) -> None:
    with pytest.raises(SpecError, match=f"{other.split('=')[0]}: it is about cross_entropy"):
        make_spec("method.objective=macro_f1", "evaluation.every=1", other)


def test_the_default_leaves_every_hash_as_it_was_and_a_fork_may_change_it(make_spec: MakeSpec) -> None:
    plain, metric = make_spec("rounds=5"), make_spec("rounds=9", "method.objective=macro_f1")
    assert "objective" not in plain.canonical()["method"]
    assert "macro_f1" not in plain.canonical()["evaluation"]
    assert make_spec().spec_hash() == "067c75bedab68caa3399b51dcedf4e58309439cef13fa03ea330c0a1f5d6e3db"
    require_forkable(plain, metric, after_round=5)


def test_macro_f1_is_a_series_that_changes_no_other(make_spec: MakeSpec) -> None:
    plain, told = run(make_spec("rounds=2"))[1], run(make_spec("rounds=2", "evaluation.macro_f1=true"))[1]
    series = {f"{head}{split}_macro_f1" for head in ("", "auxiliary_") for split in ("validation", "test")}
    assert set(told[-1]) - set(plain[-1]) == series
    assert {name: value for name, value in told[-1].items() if name not in series} == plain[-1]
    assert np.all([0 < told[-1][name] <= 1 for name in series])
