"""What every method promises, whichever it is."""

import weakref
from collections.abc import Generator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from heron_ray.methods import Client, ClientUpdate, Exchange, Method, Upload, make_method
from heron_ray.methods.method import ClientRound
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import LocalExecutor, Simulation, profile
from heron_ray.simulation.plan import Chunk, plan_round
from heron_ray.simulation.roles import ClientHost
from heron_ray.simulation.round import run_round
from heron_ray.simulation.setup import Setup
from heron_ray.spec.method import HeronMethod
from heron_ray.vectors import FlatVector
from tests.conftest import MakeSpec

ALL = sorted(METHODS)
FRONT, AUXILIARY, BATCH, STEPS, CUT, CLIENTS = 64 * 32 + 32 + 32 * 16 + 16, 16 * 10 + 10, 16, 3, 16, 6


def upload_bytes(uploads: int) -> dict[str, int]:
    return {"labels": CLIENTS * uploads * BATCH * 8, "smashed": CLIENTS * uploads * BATCH * CUT * 4}


def model_bytes(*, auxiliary: bool) -> dict[str, int]:
    return {"front": CLIENTS * FRONT * 4} | ({"auxiliary": CLIENTS * AUXILIARY * 4} if auxiliary else {})


EXPECTED_TRAFFIC: dict[str, tuple[dict[str, int], dict[str, int], int]] = {
    "heron": (upload_bytes(STEPS) | model_bytes(auxiliary=True), model_bytes(auxiliary=True), STEPS + 2),
    "cse_fsl": (upload_bytes(STEPS) | model_bytes(auxiliary=True), model_bytes(auxiliary=True), STEPS + 2),
    "frozen_client": (upload_bytes(STEPS), {}, STEPS),
    "sflv2": (
        upload_bytes(STEPS) | model_bytes(auxiliary=False),
        model_bytes(auxiliary=False) | {"gradients": CLIENTS * STEPS * BATCH * CUT * 4},
        2 * STEPS + 2,
    ),
}


def test_every_method_has_a_traffic_formula() -> None:
    assert set(EXPECTED_TRAFFIC) == set(METHODS)


@pytest.mark.parametrize("kind", ALL)
def test_the_ledger_equals_its_formula_to_the_byte(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec(f"method.kind={kind}", "partition={kind: iid}")
    up, down, messages = EXPECTED_TRAFFIC[kind]
    profiled = profile(spec)
    assert profiled.traffic_per_round_bytes == {"up": up, "down": down}
    assert profiled.messages_per_round == CLIENTS * messages
    with LocalExecutor() as executor:
        executor.open(Setup.build(spec))
        method = make_method(spec.method)
        outcome = run_round(executor, plan_round(spec, 1, 1), coupled=method.coupled, keeps_state=method.keeps_state)
    assert (dict(outcome.traffic.up), dict(outcome.traffic.down)) == (up, down)
    assert outcome.traffic.messages == CLIENTS * messages


@pytest.mark.parametrize("kind", ["heron", "cse_fsl", "frozen_client"])
def test_the_upload_interval_thins_the_uploads(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec(f"method.kind={kind}", "method.upload_every=2")
    traffic = profile(spec).traffic_per_round_bytes["up"]
    assert traffic["smashed"] == upload_bytes(2)["smashed"]


@pytest.mark.parametrize("kind", ALL)
def test_a_method_beats_chance_by_far(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec(f"method.kind={kind}", "rounds=25", "partition={kind: iid}", "method.server_optimizer.lr=0.3")
    with LocalExecutor() as executor:
        result = Simulation(spec, executor).run()
    assert result.test_accuracy > 0.4


def run_clients(setup: Setup, clients: tuple[int, ...]) -> dict[int, np.ndarray]:
    host = ClientHost(setup)
    broadcast = FlatVector(setup.build_model().parts(make_method(setup.spec.method).client_parts)).numpy()
    chunk = Chunk(round=1, number=0, host=0, clients=clients)
    _, _, updates, _ = host.advance(chunk, broadcast, (), None, 0, None)
    assert updates is not None
    return dict(zip(updates.clients, updates.vectors, strict=True))


@pytest.mark.parametrize("kind", ["heron", "cse_fsl"])
def test_a_client_does_not_depend_on_who_shares_its_host(make_spec: MakeSpec, kind: str) -> None:
    setup = Setup.build(make_spec(f"method.kind={kind}"))
    together = run_clients(setup, (0, 1, 2, 3))
    for order in ((3,), (2, 3), (3, 1, 0)):
        alone = run_clients(setup, order)
        for client, update in alone.items():
            assert np.array_equal(update, together[client])
    assert not np.array_equal(together[0], together[1])


class GraphWatch:
    """Drives a client's generator by hand and notes every tensor that carries an autograd graph."""

    def __init__(self, make_spec: MakeSpec, kind: str) -> None:
        self.setup = Setup.build(make_spec(f"method.kind={kind}"))
        self.method = make_method(self.setup.spec.method)
        self.model = self.setup.build_model()
        self.vector = FlatVector(self.model.parts(self.method.client_parts))
        self.graphs = 0
        for module in (self.model.front, self.model.auxiliary):
            module.register_forward_hook(self._look)

    def _look(self, _module: object, _inputs: object, output: Tensor) -> None:
        self.graphs += output.requires_grad or output.grad_fn is not None

    def run(self) -> None:
        train = self.setup.dataset.train
        client = Client(
            number=0,
            round=1,
            seed=0,
            steps=2,
            model=self.model,
            vector=self.vector,
            batch=lambda _: (train.x[:16], train.y[:16]),
        )
        generator = self.method.client_round(client)
        with torch.enable_grad():
            for _ in generator:
                pass


def test_a_zeroth_order_client_builds_no_autograd_graph(make_spec: MakeSpec) -> None:
    heron, twin = GraphWatch(make_spec, "heron"), GraphWatch(make_spec, "cse_fsl")
    heron.run()
    twin.run()
    assert heron.graphs == 0
    assert twin.graphs > 0


def test_smashed_data_are_free_before_the_first_probe(make_spec: MakeSpec) -> None:
    watch = GraphWatch(make_spec, "heron")
    held: list[bool] = []
    setup_forward = watch.model.front.forward
    uploaded: list[Any] = []

    def forward(x: Tensor) -> Tensor:
        held.append(bool(uploaded) and uploaded[-1]() is not None)
        return setup_forward(x)

    watch.model.front.forward = forward  # type: ignore[method-assign]
    train = watch.setup.dataset.train
    client = Client(
        number=0, round=1, seed=0, steps=1, model=watch.model, vector=watch.vector, batch=lambda _: (train.x[:8], train.y[:8])
    )
    generator = watch.method.client_round(client)
    upload = next(generator)
    assert isinstance(upload, Upload)
    uploaded.append(weakref.ref(upload.z))
    del upload
    with pytest.raises(StopIteration):
        next(generator)
    assert held == [False, False, False]  # the shared forward pass and the two probes


class AveragedNoise(Method[HeronMethod]):
    """A method with two cohort barriers, as HO-SFL's averaged scalars need: every client moves by the cohort's mean."""

    client_parts: ClassVar = ("front",)

    def client_round(self, client: Client) -> ClientRound:
        theta = client.vector.data
        theta += client.number
        first = yield Exchange(scalars=torch.tensor([float(client.number), 1.0]))
        assert first is not None
        z = client.model.front(client.batch(0)[0])
        yield Upload(z=z, y=client.batch(0)[1])
        second = yield Exchange(scalars=first * (client.number + 1))
        assert second is not None
        theta += 1000 * second[0]
        return ClientUpdate()


@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_a_cohort_barrier_fits_the_seam_without_touching_the_loop(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, hosts: int
) -> None:
    spec = make_spec("clients.count=5")
    for module in ("client_host", "main_server", "federation_server"):
        monkeypatch.setattr(f"heron_ray.simulation.roles.{module}.make_method", AveragedNoise)
    setup = Setup.build(spec)
    with LocalExecutor() as executor:
        executor.open(setup)
        executor.hosts = [type(executor.hosts[0])(ClientHost(setup)) for _ in range(hosts)]
        before = executor.federation_server.call("broadcast")
        outcome = run_round(executor, plan_round(spec, 1, hosts), coupled=False, keeps_state=False)
        moved = executor.federation_server.call("broadcast") - before
    mean = 2.0  # of the clients' numbers 0..4
    second = mean * np.mean([1, 2, 3, 4, 5])
    assert np.allclose(moved, mean + 1000 * second, rtol=1e-4)
    assert outcome.traffic.up["scalars"] == 2 * 5 * 2 * 4
    assert outcome.traffic.down["scalars"] == 2 * 5 * 2 * 4


def test_generators_are_what_the_seam_is_made_of(make_spec: MakeSpec) -> None:
    watch = GraphWatch(make_spec, "frozen_client")
    client = Client(
        number=0, round=1, seed=0, steps=0, model=watch.model, vector=watch.vector, batch=lambda _: pytest.fail("no step")
    )
    assert isinstance(watch.method.client_round(client), Generator)
