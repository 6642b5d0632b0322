"""On a card: the same bits again for every method, full precision, captured passes like eager ones, no waiting.

Skipped where there is none. Needs neither Ray nor the service.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from heron_ray.device import limit_device_memory, use_device
from heron_ray.methods import Client
from heron_ray.methods.heron import Heron
from heron_ray.methods.registry import METHODS
from heron_ray.models import SplitModel, build_model
from heron_ray.models.forwards import eager_forwards
from heron_ray.models.objectives import OBJECTIVES, cross_entropy
from heron_ray.simulation import LocalExecutor, Simulation, graphed
from heron_ray.simulation.graphed import graphed_forwards
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.method import HeronMethod, ZerothOrderSpec
from heron_ray.spec.model import CnnModel, Resnet18Model
from heron_ray.vectors import FlatVector
from heron_ray.zo import ZerothOrderEstimator
from heron_ray.zo.directions import CUDA_PIECE, DirectionStream
from tests.conftest import MakeSpec, method_overrides

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")

CARD = torch.device("cuda")
BATCH = 8
IMAGES = "data={kind: synthetic, samples: 400, features: 256, image: [1, 16, 16]}"
MODELS = {
    "mlp": "model={kind: mlp, front: [32, 16], back: [64], auxiliary: {kind: linear}}",
    "cnn": "model={kind: cnn, front: [4, 8], back: [8], auxiliary: {kind: linear}}",
    "resnet18": "model={kind: resnet18, stem: cifar, width: 8, cut: 1, auxiliary: {kind: flat_linear}}",
}


def run(spec: ExperimentSpec) -> str:
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run().trajectory_digest


def on_card(make_spec: MakeSpec, model: str, *overrides: str) -> ExperimentSpec:
    images = () if model == "mlp" else (IMAGES,)
    return make_spec("rounds=2", "compute.device=cuda", *images, MODELS[model], *overrides)


@pytest.mark.parametrize("kind", sorted(METHODS))
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_every_method_gives_the_same_bits_again(make_spec: MakeSpec, model: str, kind: str) -> None:
    spec = on_card(make_spec, model, *method_overrides(kind))
    assert run(spec) == run(spec)


def test_a_resnet_gives_the_same_bits_again_though_its_convolutions_have_gradients(make_spec: MakeSpec) -> None:
    spec = on_card(make_spec, "resnet18", "clients.batch_size=32")
    assert run(spec) == run(spec)


@pytest.mark.parametrize("law", ["sphere", "gaussian", "rademacher"])
@pytest.mark.parametrize("difference", ["forward", "central"])
def test_every_law_of_directions_gives_the_same_bits_captured_or_not(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, law: str, difference: str
) -> None:
    spec = on_card(make_spec, "cnn", f"method.zeroth_order={{probes: 2, direction: {law}, difference: {difference}}}")
    captured = run(spec)
    monkeypatch.setattr(graphed, "KEPT_BYTES", 0)
    assert run(spec) == captured


def test_signs_are_signs_and_balanced() -> None:
    drawn = DirectionStream("rademacher", 2**63 + 5, CARD).fill(torch.empty(100_000, device=CARD))
    again = DirectionStream("rademacher", 2**63 + 5, CARD).fill(torch.empty(100_000, device=CARD))
    assert torch.equal(drawn, again)
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(drawn.mean())) < 0.02


def test_directions_longer_than_a_piece_are_replayed_to_the_same_bits() -> None:
    size = CUDA_PIECE + 1000
    estimates = []
    for replay in (True, False):
        layer = torch.nn.Linear(size, 1, bias=False, device=CARD)
        vector = FlatVector({"front": layer})
        vector.data.fill_(0.5)
        estimator = ZerothOrderEstimator(ZerothOrderSpec(mu=1e-2, probes=2, replay=replay), vector)
        with torch.no_grad():
            estimates.append(estimator.estimate(lambda v=vector: v.data.square().sum(), vector.data.square().sum(), [3, 4]))
    assert torch.equal(*estimates)


def cnn() -> SplitModel:
    spec = CnnModel.model_validate({"kind": "cnn", "front": (4, 8), "auxiliary": {"kind": "linear"}})
    return build_model(spec, input_shape=(1, 16, 16), classes=4, seed=0, device=CARD)


def resnet() -> SplitModel:
    spec = Resnet18Model.model_validate({"kind": "resnet18", "width": 8, "auxiliary": {"kind": "flat_linear"}})
    return build_model(spec, input_shape=(1, 16, 16), classes=4, seed=0, device=CARD)


def batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator(CARD).manual_seed(1)
    return [
        (
            torch.randn(BATCH, 1, 16, 16, device=CARD, generator=generator),
            torch.randint(4, (BATCH,), device=CARD, generator=generator),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("model", [cnn, resnet])
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_captured_passes_have_the_bits_of_eager_ones_also_where_clients_take_turns(model: Any, objective: str) -> None:
    use_device("cuda")
    found = {}
    for kind in ("eager", "captured"):
        split = model()
        vector = FlatVector(split.parts(("front", "auxiliary")))
        judge = OBJECTIVES[objective]
        captured = graphed_forwards(split, vector, judge, batch_size=BATCH)
        forwards = captured if kind == "captured" else eager_forwards(split, judge)
        values = found[kind] = []
        with torch.no_grad():
            first, second = batches(2)
            for x, y in (first, second, (first[0][:3], first[1][:3])):  # the last is a smaller shard
                z, loss = forwards.smash(x, y)
                values += [z.clone(), loss]
                vector.data.mul_(1.01)
                with vector.hold_statistics():
                    values += [forwards.loss(x, y), forwards.loss(*second), forwards.loss(x, y)]
        values.append(vector.state.clone())
    for eager, captured in zip(found["eager"], found["captured"], strict=True):
        assert torch.equal(eager, captured)


def test_a_large_network_stays_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    use_device("cuda")
    split = cnn()
    vector = FlatVector(split.parts(("front", "auxiliary")))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: pytest.fail("captured"))
    monkeypatch.setattr(graphed, "KEPT_BYTES", 1000)
    with torch.no_grad():
        graphed_forwards(split, vector, cross_entropy, batch_size=BATCH).smash(*batches(1)[0])


def test_products_are_computed_in_full_float32() -> None:
    use_device("cuda")
    generator = torch.Generator(CARD).manual_seed(0)
    x = torch.randn(16, 32, 16, 16, device=CARD, generator=generator)
    weight = torch.randn(32, 32, 3, 3, device=CARD, generator=generator)
    for multiply, right in ((torch.nn.functional.conv2d, weight), (torch.matmul, weight.flatten()[:256].view(16, 16))):
        exact = multiply(x.double(), right.double())
        error = (multiply(x, right).double() - exact).norm() / exact.norm()
        assert float(error) < 1e-6, multiply  # with tf32 about 3e-4


def test_a_block_of_clients_is_computed_on_the_card(make_spec: MakeSpec) -> None:
    spec = on_card(make_spec, "mlp", "clients.count=30", "clients.batch_size=4", "partition={kind: iid}")
    assert run(spec) == run(spec)


def test_a_share_of_the_cards_memory_is_not_exceeded() -> None:
    limit_device_memory(0.05)
    try:
        whole = torch.cuda.get_device_properties(0).total_memory
        with pytest.raises(torch.cuda.OutOfMemoryError):
            torch.empty(int(0.1 * whole), dtype=torch.uint8, device=CARD)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def two_steps(model: SplitModel, vector: FlatVector, x: Tensor, y: Tensor) -> None:
    method = HeronMethod.model_validate(
        {
            "kind": "heron",
            "zeroth_order": {"probes": 2},
            "client_optimizer": {"kind": "adam", "lr": 1e-3},
            "server_optimizer": {"kind": "sgd", "lr": 0.1},
        }
    )
    client = Client(
        number=0,
        round=1,
        seed=0,
        steps=2,
        model=model,
        vector=vector,
        batch=lambda _: (x, y),
        positions=lambda _: y,
        samples=BATCH,
    )
    with torch.no_grad():
        for _ in Heron(method).client_round(client):
            pass


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_a_heron_step_never_waits_for_the_card() -> None:
    """Launches run ahead of the card; one forced wait per probe would undo that."""
    use_device("cuda")
    model = cnn()
    vector = FlatVector(model.parts(("front", "auxiliary")))
    x, y = batches(1)[0]
    two_steps(model, vector, x, y)
    try:
        torch.cuda.set_sync_debug_mode("error")
        two_steps(model, vector, x, y)
    finally:
        torch.cuda.set_sync_debug_mode("default")
