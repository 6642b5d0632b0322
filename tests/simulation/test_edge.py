"""Simulated devices in whole runs: what they change, what they leave alone, and that the clock goes by the ledger."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from heron_ray.edge import Fate
from heron_ray.errors import DataError, EdgeError, SpecError
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, RunResult, Simulation, profile
from heron_ray.simulation.edge_rounds import EdgeRounds
from heron_ray.simulation.events import RoundFinished, Started
from heron_ray.simulation.plan import planner
from heron_ray.simulation.profile import with_count
from heron_ray.simulation.rhythm import Rhythms, _run
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec, load_spec
from tests.conftest import MakeSpec, method_overrides

EDGE = (
    "edge={population: {kind: mixture, devices: [{profile: phone}, {profile: sensor}], links: [{profile: lte}, {profile: 5g}]}}"
)
LONG = [*(kind for kind in sorted(METHODS)), "heron-scalars"]


def overrides(kind: str) -> list[str]:
    return [*method_overrides("heron"), "method.upload=scalars"] if kind == "heron-scalars" else method_overrides(kind)


def run(spec: ExperimentSpec, sink: ListSink | None = None, **options: object) -> RunResult:
    with LocalExecutor() as executor:
        return Simulation(spec, executor, sink=sink, **options).run()


def series(spec: ExperimentSpec) -> list[dict[str, float]]:
    sink = ListSink()
    run(spec, sink)
    return [dict(event.metrics) for event in sink.events if isinstance(event, RoundFinished)]


def test_without_an_edge_specs_events_and_results_are_what_they_were(make_spec: MakeSpec) -> None:
    shipped, _ = load_spec(Path(__file__).parents[2] / "experiments" / "digits-heron.yaml")
    assert shipped.spec_hash() == "d7297f65700a6bd53b1a75c3ea8073be8e519dc035c95514c74d02941377dccc"
    assert shipped.trajectory_hash() == "5673b08fcfeb2d53f656836185d236e56cd76c2806dd6f35866dda56e6dca245"
    assert "edge" not in shipped.canonical()
    sink = ListSink()
    result = run(make_spec("rounds=1"), sink)
    assert "edge" not in result.to_dict()
    assert all("edge" not in event.to_dict() for event in sink.events)
    assert "edge" not in profile(make_spec()).to_dict()


@pytest.mark.parametrize("kind", LONG)
def test_a_long_rhythm_is_continued_exactly_as_it_would_be_measured(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec(*overrides(kind), "clients.local_steps=8")
    if kind in ("heron", "cse_fsl", "frozen_client", "fsl_sage", "heron-scalars"):
        spec = make_spec(*overrides(kind), "clients.local_steps=9", "method.upload_every=2")
    rhythms = Rhythms(spec)
    for batch_size in (16, 5, 1):
        whole = _run(with_count(spec, ("clients", "batch_size"), batch_size), torch.device("cpu"))
        assert rhythms.of(batch_size) == whole


def test_many_probes_are_a_straight_line(make_spec: MakeSpec) -> None:
    spec = make_spec("method.zeroth_order.probes=9")
    assert Rhythms(spec).of(16) == _run(spec, torch.device("cpu"))


@pytest.mark.parametrize("kind", LONG)
def test_the_clock_knows_the_bytes_and_messages_of_the_ledger(make_spec: MakeSpec, kind: str) -> None:
    cohort = "null" if kind == "ho_sfl" else "4"  # its clients all take part in every round
    spec = make_spec(*overrides(kind), EDGE, "rounds=1", f"clients.per_round={cohort}")
    setup, rhythms = Setup.build(spec), Rhythms(spec)
    simulated = EdgeRounds(setup).round(1)
    taking_part = [rhythms.of(setup.batch_size(client)) for client in simulated.cohort]
    (figures,) = series(spec)
    assert figures["bytes_up"] == sum(sum(beat.up_bytes for beat in one.beats) + one.update_bytes for one in taking_part)
    assert figures["bytes_down"] == sum(one.down_bytes + sum(beat.down_bytes for beat in one.beats) for one in taking_part)
    assert figures["messages"] == simulated.clock.messages
    assert figures["simulated_time_s"] == figures["round_time_s"] == simulated.clock.end_s > 0
    assert figures["energy_j"] == simulated.clock.energy_j > 0


def test_where_nobody_is_cut_or_excluded_training_is_what_it_is_without_an_edge(make_spec: MakeSpec) -> None:
    plain, timed = series(make_spec("clients.per_round=3")), series(make_spec("clients.per_round=3", EDGE))
    assert [{name: one[name] for name in other} for other, one in zip(plain, timed, strict=True)] == plain
    assert [one["simulated_time_s"] for one in timed] == sorted(one["simulated_time_s"] for one in timed)


CUTS = [
    ("edge.dropout=0.5", Fate.DROPPED),
    ("edge.deadline_s=DEADLINE", Fate.LATE),
    ("edge.oversample=2", Fate.SURPLUS),
]


@pytest.mark.parametrize("kind", ["heron", "sflv2", "fedavg", "fedgkt", "cse_fsl"])
@pytest.mark.parametrize(("cut", "fate"), CUTS, ids=[cut for cut, _ in CUTS])
def test_of_a_client_that_is_cut_short_the_uploads_so_far_count_and_the_update_does_not(
    make_spec: MakeSpec, kind: str, cut: str, fate: Fate
) -> None:
    base = [*overrides(kind), EDGE, "clients.per_round=4", "rounds=3"]
    whole = [EdgeRounds(Setup.build(make_spec(*base))).round(number).clock for number in (1, 2, 3)]
    deadline = sorted(client.end_s for clock in whole for client in clock.clients)[6]
    spec = make_spec(*base, cut.replace("DEADLINE", repr(deadline)))
    setup, rhythms = Setup.build(spec), Rhythms(spec)
    rounds = EdgeRounds(setup)
    seen = 0
    for number, figures in enumerate(series(spec), start=1):
        simulated = rounds.round(number)
        seen += simulated.clock.count(fate)
        expected = 0
        for client in simulated.clock.clients:
            rhythm = rhythms.of(setup.batch_size(client.client))
            expected += sum(beat.up_bytes for beat in rhythm.beats[: client.uploads])
            expected += rhythm.update_bytes if client.fate is Fate.FINISHED else 0
        assert figures["bytes_up"] == expected
        assert figures["clients_finished"] == simulated.clock.count(Fate.FINISHED)
    assert seen > 0


def test_a_round_in_which_everybody_vanishes_before_sending_leaves_the_model_alone(make_spec: MakeSpec) -> None:
    base = ["method.kind=fedavg", "clients.per_round=1", EDGE, "edge.dropout=0.6", "rounds=6", "evaluation.every=1"]
    figures = series(make_spec(*base))
    assert {one["clients_finished"] for one in figures} == {0, 1}
    for before, after in itertools.pairwise(figures):
        if after["clients_finished"] == 0:
            assert after["test_loss"] == before["test_loss"]
            assert after["bytes_up"] == 0
            assert "client_loss" not in after


def test_clients_without_the_memory_are_never_sampled_and_are_told_of(make_spec: MakeSpec) -> None:
    peak = profile(make_spec()).client_peak_bytes
    small = (
        "edge={population: {kind: mixture, links: [{profile: ethernet}], "
        f"devices: [{{profile: sensor, memory_bytes: {peak - 1}}}, {{profile: phone, memory_bytes: {peak}}}]}}}}"
    )
    spec = make_spec(small, "clients.count=30", "clients.per_round=8")
    rounds, sink = EdgeRounds(Setup.build(spec)), ListSink()
    result = run(spec, sink)
    started = next(event for event in sink.events if isinstance(event, Started))
    assert started.edge is not None
    assert started.edge["excluded"] == started.edge["excluded_by_device"]["sensor"] == started.edge["devices"]["sensor"] > 0
    assert profile(spec).edge == started.edge
    assert result.edge is not None
    assert result.edge["clients_excluded"] == started.edge["excluded"]
    sampled = {client for number in range(1, 40) for client in rounds.round(number).cohort}
    assert len(sampled) == 30 - started.edge["excluded"]
    with pytest.raises(EdgeError, match="no client can take part: heron holds") as raised:
        run(make_spec(small, f"edge.population.devices=[{{profile: phone, memory_bytes: {peak - 1}}}]"))
    assert raised.value.code == "edge_impossible"


def test_a_deadline_that_no_client_can_meet_ends_the_run_with_that_reason(make_spec: MakeSpec) -> None:
    with pytest.raises(EdgeError, match=r"no client can meet edge.deadline_s=0.001: the fastest needs [0-9.]+ s"):
        run(make_spec(EDGE, "edge.deadline_s=0.001"))


def test_absent_clients_are_not_sampled_and_an_empty_round_trains_nobody(make_spec: MakeSpec, tmp_path, monkeypatch) -> None:
    (tmp_path / "days.csv").write_text("110\n")
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    spec = make_spec(EDGE, "edge.availability={kind: csv, path: days.csv}", "evaluation.every=1")
    figures = series(spec)
    assert [one["clients_finished"] for one in figures] == [6, 6, 0, 6]
    assert figures[2]["test_loss"] == figures[1]["test_loss"]
    assert figures[2]["round_time_s"] == 0
    spec = make_spec(EDGE, "edge.availability={kind: diurnal, rounds_per_day: 4, share: 0.5}", "clients.per_round=5")
    assert [one["clients_finished"] <= 5 for one in series(spec)] == [True] * 4


def test_a_population_comes_from_a_file_below_the_data_folder_only(make_spec: MakeSpec, tmp_path, monkeypatch) -> None:
    edge = "edge={population: {kind: csv, path: fleet.csv}}"
    monkeypatch.delenv("HERON_DATA_DIR", raising=False)
    with pytest.raises(DataError, match=r"edge\.population\.path is a file below the folder that HERON_DATA_DIR names"):
        run(make_spec(edge, "rounds=1"))
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("HERON_DATA_DIR", str(folder))
    with pytest.raises(DataError, match=r"no file 'fleet.csv'"):
        run(make_spec(edge, "rounds=1"))
    outside = tmp_path / "fleet.csv"
    outside.write_text("flops_per_s,memory_bytes,joules_per_flop,up_bit_s,down_bit_s,latency_s\n1e9,1e6,1e-9,1e6,1e6,x\n")
    (folder / "fleet.csv").symlink_to(outside)
    with pytest.raises(DataError, match="leads out of"):
        run(make_spec(edge, "rounds=1"))
    (folder / "fleet.csv").unlink()
    (folder / "fleet.csv").write_text(outside.read_text())
    with pytest.raises(DataError, match=r"fleet.csv, line 2: latency_s is 'x'"):
        run(make_spec(edge, "rounds=1"))
    with pytest.raises(SpecError, match=r"edge\.population"):
        make_spec("edge={population: {kind: csv, path: ../fleet.csv}}")


def test_a_resumed_run_has_the_clock_of_one_that_never_stopped(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(EDGE, "edge.dropout=0.3", "edge.oversample=1", "clients.per_round=4", "rounds=6", "stop={accuracy: 0.99}")
    asked = iter([False, False, False, True])
    checkpointer = Checkpointer(tmp_path)
    stopped = run(spec, checkpointer=checkpointer, should_stop=lambda: next(asked))
    resumed, whole = run(spec, checkpointer=checkpointer, resume=True), run(spec)
    assert stopped.rounds == 3
    assert resumed.trajectory_digest == whole.trajectory_digest
    assert resumed.edge == whole.edge
    assert whole.edge is not None
    assert whole.edge["simulated_time_s"] > 0


def test_time_to_accuracy_is_the_virtual_time_of_the_first_evaluation_that_shows_it(make_spec: MakeSpec) -> None:
    spec = make_spec(EDGE, "method.kind=sflv2", "method.client_optimizer.lr=0.1", "rounds=60", "stop={accuracy: 0.55}")
    sink = ListSink()
    result = run(spec, sink)
    judged = [
        event.metrics for event in sink.events if isinstance(event, RoundFinished) and "validation_accuracy" in event.metrics
    ]
    assert result.edge is not None
    times = result.edge["simulated_time_to_accuracy_s"]
    assert set(times) >= {"0.5", "0.55"}
    for accuracy, seconds in times.items():
        assert seconds == next(one["simulated_time_s"] for one in judged if one["validation_accuracy"] >= float(accuracy))


def test_plans_do_not_depend_on_the_hosts(make_spec: MakeSpec) -> None:
    plan = planner(Setup.build(make_spec(EDGE, "edge.dropout=0.5", "clients.per_round=5")))
    plans = [plan(2, hosts) for hosts in (1, 2, 5)]
    assert len({one.cohort for one in plans}) == 1
    assert plans[0].clock == plans[1].clock == plans[2].clock
    cuts = [sorted(cut for chunk in one.chunks for cut in chunk.cuts) for one in plans]
    assert cuts[0] == cuts[1] == cuts[2] != []


@pytest.mark.parametrize(
    ("lines", "path", "told"),
    [
        ((EDGE, "edge.oversample=1"), "edge.oversample", "7 clients cannot be sampled"),
        ((EDGE, "edge.dropout=0.1", "method.kind=ho_sfl"), "edge", "cannot lose one"),
        ((EDGE, "edge.dropout=0.1", "aggregation={kind: krum, f: 1}"), "aggregation.kind", "use mean or median"),
        ((EDGE, "clients.local_steps=2000", "method.upload_every=1500"), "method.upload_every", "1000 at most"),
        ((EDGE, "edge.dropout=1.0"), "edge.dropout", "less than 1"),
        (("edge={}",), "edge.population", "required"),
    ],
)
def test_what_cannot_be_simulated_is_refused_at_validation(make_spec: MakeSpec, lines, path, told) -> None:
    with pytest.raises(SpecError) as raised:
        make_spec(*lines)
    (issue,) = raised.value.issues
    assert issue.path == path
    assert told in issue.message
