"""Buffered aggregation in whole runs: what it changes, what it leaves alone, and that it can be stopped anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heron_ray.federation.registry import ATTACKS
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.simulation.fork import fork
from heron_ray.simulation.messages import Message, Updates
from heron_ray.simulation.plan import planner
from heron_ray.simulation.roles import FederationServer
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.fields import section_class
from tests.conftest import MakeSpec, method_overrides, require_refusal
from tests.federation.runs import resumed, stopped_after

EDGE = (
    "edge={population: {kind: mixture, devices: [{profile: phone}, {profile: phone, flops_per_s: 1.0e+6}], "
    "links: [{profile: lte}, {profile: bluetooth_le}]}, server_flops_per_s: 1.0e+12}"
)
BUFFERED = (EDGE, "edge.buffer={size: 2}", "clients.count=12", "clients.per_round=5", "rounds=9")


def run(spec: ExperimentSpec, **options: Any) -> RunResult:
    with LocalExecutor() as executor:
        return Simulation(spec, executor, **options).run()


def series(spec: ExperimentSpec) -> list[dict[str, float]]:
    sink = ListSink()
    run(spec, sink=sink)
    return [dict(event.metrics) for event in sink.events if isinstance(event, RoundFinished)]


def test_as_many_clients_are_at_work_as_the_cohort_and_nobody_twice(make_spec: MakeSpec) -> None:
    spec = make_spec(*BUFFERED, "edge.dropout=0.2")
    plan = planner(Setup.build(spec))
    at_work: set[int] = set()
    late: dict[int, int] = {}
    for number in range(1, 30):
        planned = plan(number, 2)
        assert planned.buffered is not None
        assert plan(number, 3).cohort == planned.cohort
        assert len(planned.cohort) + len(at_work) == 5
        assert at_work.isdisjoint(planned.cohort)
        at_work = {one.client for one in planned.buffered.flights}
        late |= dict.fromkeys(planned.buffered.late, number)
        for client, weight in planned.buffered.carried:
            assert weight == pytest.approx((1 + number - late.pop(client)) ** -0.5)
        assert set(late) <= at_work
    with pytest.raises(ValueError, match="does not follow"):
        plan(40, 1)


def test_a_buffer_as_large_as_the_cohort_is_a_round_that_waits_for_all(make_spec: MakeSpec) -> None:
    base = (EDGE, "clients.count=12", "clients.per_round=5", "edge.dropout=0.2")
    plain, buffered = series(make_spec(*base)), series(make_spec(*base, "edge.buffer={size: 5}"))
    assert [{name: one[name] for name in other} for other, one in zip(plain, buffered, strict=True)] == plain
    assert {one["clients_at_work"] for one in buffered} == {0}


def test_rounds_are_shorter_and_updates_of_slow_clients_come_late_but_come(make_spec: MakeSpec) -> None:
    plain = series(make_spec(EDGE, "clients.count=12", "clients.per_round=5", "rounds=9"))
    buffered = series(make_spec(*BUFFERED))
    assert buffered[-1]["simulated_time_s"] < plain[-1]["simulated_time_s"]
    assert all(one["updates_joined"] >= 2 for one in buffered)
    assert max(one["mean_staleness"] for one in buffered) > 0
    assert sum(one["updates_discarded"] for one in series(make_spec(*BUFFERED, "edge.buffer.staleness=0"))) > 0


@pytest.mark.parametrize("kind", ["heron", "heron-scalars", "cse_fsl", "local_loss", "fedavg", "fedzo"])
@pytest.mark.parametrize("rounds", [2, 5])
def test_a_run_stopped_while_clients_work_on_goes_on_to_the_same_digest(
    make_spec: MakeSpec, tmp_path: Path, kind: str, rounds: int
) -> None:
    more = ["method.kind=heron", "method.upload=scalars"] if kind == "heron-scalars" else method_overrides(kind)
    if kind == "cse_fsl":
        more += ["method.client_optimizer={kind: adam, lr: 0.01}", "method.client_optimizer_lifetime=run"]
    spec = make_spec(*more, *BUFFERED, "edge.dropout=0.1")
    checkpointer = stopped_after(rounds, spec, tmp_path)
    kept = checkpointer.load(checkpointer.paths()[0])
    assert any(name.startswith("federation/carried.") for name in kept.vectors)
    whole, again = run(spec), resumed(spec, checkpointer)
    assert again.trajectory_digest == whole.trajectory_digest
    assert (again.edge, again.costs) == (whole.edge, whole.costs)


def test_a_fork_of_more_rounds_is_the_longer_run_and_one_without_a_buffer_leaves_late_updates_behind(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    short, long = make_spec(*BUFFERED, "rounds=5"), make_spec(*BUFFERED)
    checkpointer = Checkpointer(tmp_path)
    run(short, checkpointer=checkpointer)
    kept = checkpointer.load(checkpointer.paths()[0])
    assert run(long, start_from=fork(kept, short, long)).trajectory_digest == run(long).trajectory_digest
    plain = make_spec(*BUFFERED, "edge.buffer=null")
    assert run(plain, start_from=fork(kept, short, plain)).rounds == 9


def test_late_updates_are_joined_with_their_weight_by_hand(make_spec: MakeSpec) -> None:
    server = FederationServer(Setup.build(make_spec(*BUFFERED, "method.kind=fedavg")))
    before = server.shared_parts()
    draw = np.random.default_rng(0)
    a, b, c = draw.normal(size=(3, len(before))).astype(np.float32)

    def bring(round: int, rows: dict[int, np.ndarray], late: tuple[int, ...] = ()) -> None:
        updates = Updates(
            round=round,
            clients=tuple(rows),
            samples=(1,) * len(rows),
            vectors=np.stack([*rows.values()]),
            scripts=None,
            states=({},) * len(rows),
            late=late,
        )
        server.collect(Message(uploads=None, updates=updates, scalars=()))

    bring(1, {3: a, 7: c, 5: b}, late=(7, 5))
    _, seen = server.aggregate(1)
    assert seen.clients == (3,)
    assert np.array_equal(server.shared_parts(), before + a)
    assert set(server.state()) == {"client", "carried.5", "carried.7"}
    before = server.shared_parts()
    bring(3, {3: b})
    server.aggregate(3, ((7, 3**-0.5),), (5,))
    expected = before + ((b.astype(np.float64) + (np.float32(3**-0.5) * c).astype(np.float64)) / 2).astype(np.float32)
    assert np.array_equal(server.shared_parts(), expected)
    assert set(server.state()) == {"client"}


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        (["edge.buffer.size=6"], "edge.buffer.size", "6 updates never come together where 5 clients are at work"),
        (["edge.deadline_s=5"], "edge.deadline_s", "a round ends with the K-th update"),
        (["edge.oversample=1"], "edge.oversample", "a round ends with the K-th update"),
        (["aggregation={kind: krum, f: 1}"], "aggregation.kind", "use mean or median"),
        (["attack={kind: alie, byzantine: 2}"], "attack.kind", "know all updates of their round"),
        (["method.kind=sflv2"], "edge.buffer", "they wait for the main server's answers"),
        (["method.kind=fsl_sage"], "edge.buffer", "aligns their heads"),
        (["method.kind=frozen_client"], "edge.buffer", "send no update"),
        (["method.kind=ho_sfl", "clients.per_round=null"], "edge", "cannot lose one"),
    ],
)
def test_what_makes_no_sense_with_a_buffer_is_refused(overrides: list[str], path: str, words: str) -> None:
    require_refusal([*BUFFERED, *overrides], path, words)


def test_sections_know_which_methods_wait_and_which_attackers_collude() -> None:
    for kind, method in METHODS.items():
        section = section_class("method", kind)
        assert section is not None
        assert section.waits_for_server == (method.reply is not None), kind  # type: ignore[attr-defined]
    for kind, attack in ATTACKS.items():
        section = section_class("attack", kind)
        assert section is not None
        assert section.colludes == attack.needs_cohort, kind  # type: ignore[attr-defined]


def test_an_edge_without_a_buffer_keeps_its_hash(make_spec: MakeSpec) -> None:
    assert "buffer" not in make_spec(EDGE).canonical()["edge"]
