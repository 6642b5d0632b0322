"""A HERON round that goes up as seeds and scalars is the round that goes up as parameters, bit for bit."""

import numpy as np
import pytest

from heron_ray.errors import SpecError
from heron_ray.simulation import LocalExecutor, Simulation, profile
from heron_ray.simulation.result import RunResult
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec

IMAGES = "data={kind: image_folder, path: stripes, classes: 2, height: 8, width: 8, channels: 1}"


def run(spec: ExperimentSpec) -> tuple[RunResult, np.ndarray]:
    with LocalExecutor() as executor:
        result = Simulation(spec, executor).run()
        return result, executor.federation_server.call("shared_parts")


@pytest.mark.parametrize(
    "overrides",
    [
        ["method.zeroth_order.probes=3"],
        ["method.zeroth_order={direction: gaussian, difference: central, probes: 2}"],
        ["method.zeroth_order={direction: rademacher}", "clients.per_round=2"],
        ["method.client_optimizer={kind: adam, lr: 0.01}"],
        ["method.client_optimizer={kind: sgd, lr: 0.02, momentum: 0.9, weight_decay: 0.01}"],
        ["method.client_optimizer_lifetime=run"],
        ["model.front=[600, 200]", "rounds=2"],
        ["model.front=[600, 200]", "rounds=2", "method.zeroth_order.replay=false"],
        ["model.lora={rank: 2}"],
        ["aggregation={kind: median}"],
        ["attack={kind: label_flip, byzantine: 2}"],
    ],
    ids=lambda overrides: " ".join(overrides),
)
def test_scalars_and_vectors_are_the_same_trajectory(make_spec: MakeSpec, overrides: list[str]) -> None:
    vectors, by_vectors = run(make_spec(*overrides))
    scalars, by_scalars = run(make_spec(*overrides, "method.upload=scalars"))
    assert np.array_equal(by_vectors, by_scalars)
    for name in ("test_accuracy", "test_loss", "auxiliary_accuracy", "validation_accuracy", "auxiliary_validation_accuracy"):
        assert getattr(vectors, name) == getattr(scalars, name)
    assert scalars.costs.bytes_up < vectors.costs.bytes_up
    assert scalars.costs.bytes_down == vectors.costs.bytes_down


@pytest.mark.usefixtures("stripes")
def test_running_statistics_go_up_beside_the_scalars(make_spec: MakeSpec) -> None:
    model = "model={kind: resnet18, width: 4, cut: 1, auxiliary: {kind: pooled_linear}}"
    small = [IMAGES, model, "rounds=2", "clients={count: 3, batch_size: 8, local_steps: 2}", "method.zeroth_order.mu=0.1"]
    by_vectors, by_scalars = (run(make_spec(*small, f"method.upload={upload}"))[1] for upload in ("vectors", "scalars"))
    assert np.array_equal(by_vectors, by_scalars)
    up = profile(make_spec(*small, "method.upload=scalars")).traffic_per_round_bytes["up"]
    channels = 3 * 4  # three normalisations of four channels
    assert up["statistics"] == 3 * 2 * channels * 4
    assert "front" not in up


def test_the_bytes_saved_are_the_parameters_less_twelve_bytes_a_probe(make_spec: MakeSpec) -> None:
    vectors, scalars = (profile(make_spec(f"method.upload={upload}")) for upload in ("vectors", "scalars"))
    saved = sum(vectors.traffic_per_round_bytes["up"].values()) - sum(scalars.traffic_per_round_bytes["up"].values())
    clients, steps, probes, parameters = 6, 3, 2, 64 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10
    assert saved == clients * (4 * parameters - steps * probes * (4 + 8))
    assert scalars.client_peak_bytes <= vectors.client_peak_bytes + 1024


@pytest.mark.parametrize("optimizer", ["{kind: adam, lr: 0.01}", "{kind: sgd, lr: 0.01, momentum: 0.5}"])
def test_optimizer_state_that_cannot_be_replayed_is_refused(make_spec: MakeSpec, optimizer: str) -> None:
    overrides = [f"method.client_optimizer={optimizer}", "method.client_optimizer_lifetime=run", "method.upload=scalars"]
    with pytest.raises(SpecError, match=r"method\.upload: scalars cannot replay .*client_optimizer_lifetime=round"):
        make_spec(*overrides)


def test_an_attack_on_vectors_has_nothing_to_act_on(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match=r"attack\.kind: sign_flip acts on the parameters that clients upload"):
        make_spec("method.upload=scalars", "attack={kind: sign_flip, byzantine: 1}")
