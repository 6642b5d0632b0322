"""Clients computed together end where they end one after another."""

import pytest
import torch

from heron_ray.methods import make_method
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.events import ListSink
from heron_ray.simulation.roles import client_host
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec, method_overrides

COHORT = "clients={count: 14, per_round: 11, batch_size: 16, local_steps: 3}"


def digest(spec: ExperimentSpec) -> str:
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run().trajectory_digest


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the blocks that hosts drive."""
    sizes: list[int] = []
    drive = client_host.ClientHost._drive_block

    def noting(self, run, *arguments):
        sizes.append(len(run.numbers))
        drive(self, run, *arguments)

    monkeypatch.setattr(client_host.ClientHost, "_drive_block", noting)
    return sizes


STACKING = [kind for kind in METHODS if METHODS[kind].stacks]


@pytest.mark.parametrize(
    "overrides",
    [
        *map(method_overrides, STACKING),
        ["method.zeroth_order={direction: gaussian, difference: central, probes: 3}"],
        ["method.zeroth_order={direction: rademacher, replay: false}", "method.client_optimizer={kind: adam, lr: 0.01}"],
        ["method.upload=scalars"],
        ["method.upload_every=2", "method.client_optimizer={kind: sgd, lr: 0.02, momentum: 0.9, weight_decay: 0.01}"],
        ["method.kind=fedavg", "method.client_optimizer={kind: adam, lr: 0.01}"],
        ["attack={kind: label_flip, byzantine: 4}"],
        ["attack={kind: gaussian, byzantine: 4}", "aggregation={kind: median}"],
        ["partition={kind: dirichlet, alpha: 0.1}"],
    ],
    ids=" ".join,
)
def test_a_block_has_the_bits_of_its_clients(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, blocks: list[int], overrides: list[str]
) -> None:
    spec = make_spec(COHORT, *overrides)
    together = digest(spec)
    assert max(blocks) >= 3
    blocks.clear()
    monkeypatch.setattr("heron_ray.simulation.setup.BLOCK", 1)
    assert digest(spec) == together
    assert not blocks


@pytest.mark.parametrize(
    "overrides",
    [
        ["method.kind=sflv2"],
        ["method.client_optimizer_lifetime=run"],
        ["model.lora={rank: 2}"],
        ["model.front=[512, 256]"],
        ["clients={count: 11, batch_size: 16, local_steps: 5000}"],
    ],
    ids=" ".join,
)
def test_clients_that_wait_or_keep_something_or_are_large_are_not_blocked(make_spec: MakeSpec, overrides: list[str]) -> None:
    assert Setup.build(make_spec(COHORT)).clients_per_block() == 20
    assert Setup.build(make_spec(COHORT, *overrides)).clients_per_block() < 11


def test_metrics_are_those_of_single_clients_too(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    sinks = []
    for block in (20, 1):
        monkeypatch.setattr("heron_ray.simulation.setup.BLOCK", block)
        sinks.append(ListSink())
        with LocalExecutor() as executor:
            Simulation(make_spec(COHORT), executor, sink=sinks[-1]).run()
    together, alone = (sink.events[1:-1] for sink in sinks)
    assert together == alone


def test_only_decoupled_methods_stack(make_spec: MakeSpec) -> None:
    for kind in STACKING:
        method = make_method(make_spec(*method_overrides(kind)).method)
        assert method.reply is None
        assert not method.own_parts


def test_a_client_that_diverges_leaves_the_others_of_its_block_alone(make_spec: MakeSpec) -> None:
    """Rows never meet: what is not a number in one stays there."""
    setup = Setup.build(make_spec(COHORT))
    host = client_host.ClientHost(setup)
    host._stacked.hold(3)
    host._stacked.load(host._vector.numpy())
    host._stacked.data[1].fill_(torch.nan)
    out = host._stacked_model.front(torch.ones(3, 16, 64))
    assert torch.isfinite(out[[0, 2]]).all()
    assert torch.isnan(out[1]).all()
