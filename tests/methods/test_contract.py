"""What every method promises, whichever it is."""

import contextlib
import weakref
from collections.abc import Generator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import Client, ClientUpdate, Exchange, Fate, Method, Upload, make_method
from heron_ray.methods.method import ClientRound
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import LocalExecutor, Simulation, profile
from heron_ray.simulation.messages import Message, Uploads, Waiting
from heron_ray.simulation.plan import Chunk, plan_round
from heron_ray.simulation.roles import ClientHost, FederationServer, MainServer
from heron_ray.simulation.round import run_round
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.method import HeronMethod
from heron_ray.vectors import FlatVector
from tests.conftest import MakeSpec, method_overrides, spec_from

ALL = sorted(METHODS)
BATCH, STEPS, CUT, CLIENTS, CLASSES = 16, 3, 16, 6, 10
FRONT, AUXILIARY, BACK = 64 * 32 + 32 + 32 * 16 + 16, 16 * 10 + 10, 16 * 64 + 64 + 64 * 10 + 10
FRONT_ADAPTERS, PROBES, ALIGNED_EVERY = 4 * (64 + 32 + 32 + 16), 2, 2


def spec_of(make_spec: MakeSpec, kind: str, *more: str) -> ExperimentSpec:
    return make_spec(*method_overrides(kind), *more)


def smashed(uploads: int = STEPS) -> int:
    return CLIENTS * uploads * BATCH * CUT * 4


def upload(uploads: int = STEPS) -> dict[str, int]:
    return {"labels": CLIENTS * uploads * BATCH * 8, "smashed": smashed(uploads)}


def numbers(**parts: int) -> dict[str, int]:
    return {part: CLIENTS * count * 4 for part, count in parts.items()}


# Per method: up, down and messages per client in round 1. Every part travels both ways in one message each.
EXPECTED_TRAFFIC: dict[str, tuple[dict[str, int], dict[str, int], int]] = {
    "heron": (upload() | numbers(front=FRONT, auxiliary=AUXILIARY), numbers(front=FRONT, auxiliary=AUXILIARY), STEPS + 2),
    "cse_fsl": (upload() | numbers(front=FRONT, auxiliary=AUXILIARY), numbers(front=FRONT, auxiliary=AUXILIARY), STEPS + 2),
    "local_loss": (upload() | numbers(front=FRONT, auxiliary=AUXILIARY), numbers(front=FRONT, auxiliary=AUXILIARY), STEPS + 2),
    "fsl_sage": (upload() | numbers(front=FRONT), numbers(front=FRONT), STEPS + 2),
    "frozen_client": (upload(), {}, STEPS),
    "sflv1": (upload() | numbers(front=FRONT), numbers(front=FRONT) | {"gradients": smashed()}, 2 * STEPS + 2),
    "sflv2": (upload() | numbers(front=FRONT), numbers(front=FRONT) | {"gradients": smashed()}, 2 * STEPS + 2),
    "split_lora": (
        upload() | numbers(front=FRONT_ADAPTERS),
        numbers(front=FRONT_ADAPTERS) | {"gradients": smashed()},
        2 * STEPS + 2,
    ),
    "ho_sfl": (
        upload() | numbers(scalars=STEPS * PROBES),
        {"gradients": smashed(), "seeds": CLIENTS * STEPS * PROBES * 8} | numbers(scalars=STEPS * PROBES),
        4 * STEPS,
    ),
    "mu_splitfed": (
        upload() | {"smashed_above": smashed(), "smashed_below": smashed()} | numbers(front=FRONT),
        numbers(front=FRONT, scalars=STEPS),
        2 * STEPS + 2,
    ),
    "fedgkt": (upload() | numbers(logits=STEPS * BATCH * CLASSES), numbers(logits=STEPS * BATCH * CLASSES), 2 * STEPS),
    "fedavg": (numbers(front=FRONT, back=BACK), numbers(front=FRONT, back=BACK), 2),
    "fedzo": (numbers(front=FRONT, back=BACK), numbers(front=FRONT, back=BACK), 2),
}


def test_every_method_has_a_traffic_formula() -> None:
    assert set(EXPECTED_TRAFFIC) == set(METHODS)


def traffic_of_round(spec: ExperimentSpec, round: int) -> TrafficLedger:
    """The ledger of one round, after the rounds before it."""
    method = make_method(spec.method)
    with LocalExecutor() as executor:
        executor.open(Setup.build(spec))
        for number in range(1, round + 1):
            outcome = run_round(executor, plan_round(spec, number, 1), method)
    return outcome.traffic


@pytest.mark.parametrize("kind", ALL)
def test_the_ledger_equals_its_formula_to_the_byte(make_spec: MakeSpec, kind: str) -> None:
    spec = spec_of(make_spec, kind, "partition={kind: iid}")
    up, down, messages = EXPECTED_TRAFFIC[kind]
    profiled = profile(spec)
    assert profiled.traffic_per_round_bytes == {"up": up, "down": down}
    assert profiled.messages_per_round == CLIENTS * messages
    traffic = traffic_of_round(spec, 1)
    assert (dict(traffic.up), dict(traffic.down)) == (up, down)
    assert traffic.messages == CLIENTS * messages


def test_an_alignment_sends_every_client_its_head(make_spec: MakeSpec) -> None:
    spec = spec_of(make_spec, "fsl_sage", "partition={kind: iid}")
    assert "auxiliary" not in traffic_of_round(spec, ALIGNED_EVERY - 1).down
    assert traffic_of_round(spec, ALIGNED_EVERY).down["auxiliary"] == CLIENTS * AUXILIARY * 4


@pytest.mark.parametrize("kind", ["heron", "cse_fsl", "fsl_sage", "frozen_client"])
def test_the_upload_interval_thins_the_uploads(make_spec: MakeSpec, kind: str) -> None:
    spec = spec_of(make_spec, kind, "method.upload_every=2")
    assert profile(spec).traffic_per_round_bytes["up"]["smashed"] == smashed(2)


# A cut of six numbers: what a client that is never trained can learn through it is little.
NARROW = ["model.front=[6]", "model.back=[]", "partition={kind: iid}", "clients={count: 4, batch_size: 64, local_steps: 5}"]
PROBING = "method.zeroth_order.probes"
RATES = {
    "heron": ["rounds=60", f"{PROBING}=8", "method.client_optimizer.lr=0.1", "method.server_optimizer.lr=0.3"],
    "cse_fsl": ["rounds=60", "method.client_optimizer.lr=0.3", "method.server_optimizer.lr=0.3"],
    "fsl_sage": ["rounds=60", "method.alignment.epochs=50", "method.client_optimizer.lr=0.3", "method.server_optimizer.lr=0.3"],
    "local_loss": ["rounds=60", "method.client_optimizer.lr=0.3", "method.server_optimizer.lr=0.3"],
    "sflv1": ["rounds=60", "method.client_optimizer.lr=0.3", "method.server_optimizer.lr=0.3"],
    "sflv2": ["rounds=60", "method.client_optimizer.lr=0.1", "method.server_optimizer.lr=0.3"],
    "split_lora": ["rounds=60", "method.client_optimizer.lr=0.03", "method.server_optimizer.lr=0.03"],
    "ho_sfl": ["rounds=60", f"{PROBING}=8", "method.client_optimizer.lr=0.1", "method.server_optimizer.lr=0.3"],
    "mu_splitfed": [
        "rounds=150",
        "method.server_zeroth_order={probes: 8}",
        "method.client_optimizer.lr=0.01",
        "method.server_optimizer.lr=0.1",
    ],
    "fedgkt": ["rounds=60", "method.client_optimizer.lr=0.1", "method.server_optimizer.lr=0.3"],
    "fedavg": ["rounds=60", "method.client_optimizer.lr=0.3"],
    "fedzo": ["rounds=80", f"{PROBING}=16", "method.client_optimizer.lr=0.2"],
}


def accuracy(make_spec: MakeSpec, kind: str, *more: str) -> float:
    with LocalExecutor() as executor:
        spec = spec_of(make_spec, kind, *NARROW, "evaluation.every=1000", *more)
        return Simulation(spec, executor).run().test_accuracy


def test_every_method_is_held_against_the_control() -> None:
    assert set(RATES) == set(METHODS) - {"frozen_client"}


@pytest.fixture(scope="module")
def control() -> float:
    """The best that clients which are never trained come to, of several rates of the main server."""
    rates = (0.3, 1.0, 3.0)
    return max(accuracy(spec_from, "frozen_client", "rounds=60", f"method.server_optimizer.lr={rate}") for rate in rates)


@pytest.mark.parametrize("kind", sorted(RATES))
def test_a_method_learns_what_a_frozen_client_cannot(make_spec: MakeSpec, control: float, kind: str) -> None:
    assert 0.2 < control < 0.65
    assert accuracy(make_spec, kind, *RATES[kind]) > control + 0.08


def run_clients(setup: Setup, clients: tuple[int, ...]) -> dict[int, np.ndarray]:
    host = ClientHost(setup)
    broadcast = FederationServer(setup).broadcast()
    chunk = Chunk(round=1, number=0, host=0, blocks=tuple((client,) for client in clients))
    answer, barrier, mean = None, 0, None
    collected: dict[int, np.ndarray] = {}
    while True:
        progress, message = host.advance(chunk, broadcast, (), answer, barrier, mean)
        uploads, updates, scalars = message.uploads, message.updates, message.scalars
        if updates is not None:
            kept = [state.get("own") for state in updates.states]
            rows = updates.vectors if updates.vectors is not None and updates.vectors.size else kept
            collected |= dict(zip(updates.clients, rows, strict=True))
        if progress.waiting is Waiting.NOTHING:
            return collected
        if progress.waiting is Waiting.REPLY:
            assert uploads is not None
            answer = make_answer(setup, uploads)
        elif progress.waiting is Waiting.COHORT:
            answer, barrier, mean = None, barrier + 1, np.ones_like(scalars[0])


def make_answer(setup: Setup, uploads: Uploads) -> np.ndarray:
    """An answer that depends on nothing but the upload it is for."""
    reply, batch = make_method(setup.spec.method).reply, uploads.sizes[-1]
    z = uploads.z[-batch:]
    return {"gradients": 0.1 * z, "scalars": z.mean(), "logits": z[:, :CLASSES]}[str(reply)].astype(np.float32)


@pytest.mark.parametrize("kind", sorted(set(METHODS) - {"frozen_client"}))
def test_a_client_does_not_depend_on_who_shares_its_host(make_spec: MakeSpec, kind: str) -> None:
    setup = Setup.build(spec_of(make_spec, kind))
    together = run_clients(setup, (0, 1, 2, 3))
    for order in ((3,), (2, 3), (3, 1, 0)):
        alone = run_clients(setup, order)
        for client, update in alone.items():
            assert np.array_equal(update, together[client])
    if kind != "ho_sfl":  # there all clients move alike
        assert not np.array_equal(together[0], together[1])


class GraphWatch:
    """Drives a client's generator by hand and notes every tensor that carries an autograd graph."""

    def __init__(self, make_spec: MakeSpec, kind: str) -> None:
        self.setup = Setup.build(spec_of(make_spec, kind))
        self.method = make_method(self.setup.spec.method)
        self.model = self.setup.build_model()
        self.vector = FlatVector(self.model.parts(self.method.client_parts))
        self.graphs = 0
        for module in (self.model.front, self.model.auxiliary, self.model.back):
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
            positions=lambda _: torch.arange(16),
            samples=16,
        )
        generator, reply = self.method.client_round(client), None
        with torch.enable_grad(), contextlib.suppress(StopIteration):
            while True:
                message = generator.send(reply)
                if isinstance(message, Exchange):
                    reply = message.scalars
                elif self.method.reply is not None:
                    answers = {"gradients": message.z, "scalars": message.z.mean(), "logits": message.z[:, :CLASSES]}
                    reply = answers[self.method.reply].detach()


@pytest.mark.parametrize("kind", ALL)
def test_zeroth_order_clients_build_no_autograd_graph_and_others_do(make_spec: MakeSpec, kind: str) -> None:
    watch = GraphWatch(make_spec, kind)
    watch.run()
    assert (watch.graphs == 0) == (kind in {"heron", "ho_sfl", "mu_splitfed", "fedzo", "frozen_client"})


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
        number=0,
        round=1,
        seed=0,
        steps=1,
        model=watch.model,
        vector=watch.vector,
        batch=lambda _: (train.x[:8], train.y[:8]),
        positions=lambda _: torch.arange(8),
        samples=8,
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

    parts: ClassVar = {"front": Fate.AVERAGED}

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
        outcome = run_round(executor, plan_round(spec, 1, hosts), AveragedNoise(spec.method))
        moved = executor.federation_server.call("broadcast") - before
    mean = 2.0  # of the clients' numbers 0..4
    second = mean * np.mean([1, 2, 3, 4, 5])
    assert np.allclose(moved, mean + 1000 * second, rtol=1e-4)
    assert outcome.traffic.up["scalars"] == 2 * 5 * 2 * 4
    assert outcome.traffic.down["scalars"] == 2 * 5 * 2 * 4


def test_generators_are_what_the_seam_is_made_of(make_spec: MakeSpec) -> None:
    watch = GraphWatch(make_spec, "frozen_client")
    client = Client(
        number=0,
        round=1,
        seed=0,
        steps=0,
        model=watch.model,
        vector=watch.vector,
        batch=lambda _: pytest.fail("no step"),
        positions=lambda _: pytest.fail("no step"),
        samples=1,
    )
    assert isinstance(watch.method.client_round(client), Generator)


@pytest.mark.parametrize("weights", ["uniform", "samples"])
def test_server_copies_are_averaged_with_the_weights_of_the_aggregation(make_spec: MakeSpec, weights: str) -> None:
    spec = spec_of(make_spec, "sflv1", f"aggregation={{kind: mean, weights: {weights}}}", "clients={count: 2, local_steps: 1}")
    setup = Setup.build(spec)
    samples = [len(shard) for shard in (setup.shards[0], setup.shards[1])]
    assert samples[0] != samples[1]
    z, y = np.random.default_rng(0).normal(size=(2, 4, CUT)).astype(np.float32), np.arange(4)

    def back_after(clients: tuple[int, ...]) -> np.ndarray:
        server = MainServer(setup)
        uploads = Uploads(
            round=1,
            clients=clients,
            sizes=(4,) * len(clients),
            z=np.concatenate([z[client] for client in clients]),
            y=np.concatenate([y] * len(clients)),
            also={},
        )
        server.consume(Message(uploads=uploads, updates=None, scalars=()))
        server.finish_round(1)
        return server.state()["back"]

    shares = np.array(samples) / sum(samples) if weights == "samples" else np.array([0.5, 0.5])
    expected = shares[0] * back_after((0,)) + shares[1] * back_after((1,))
    assert np.allclose(back_after((0, 1)), expected, atol=1e-6)
