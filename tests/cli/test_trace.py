"""`heron run --trace`: the parts add up, the file is a Chrome trace, and not a bit of a run is changed."""

import json

import pytest

from heron_ray.actors import executor_for
from heron_ray.cli.trace_report import Round, TraceReport, Tracing
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.trace import ProcessTrace
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec, method_overrides


def digest(spec: ExperimentSpec) -> str:
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run().trajectory_digest


def trace(spec: ExperimentSpec) -> tuple[str, TraceReport]:
    with executor_for(spec) as executor, Tracing(spec, executor) as tracing:
        result = Simulation(spec, executor, sink=tracing).run()
        return result.trajectory_digest, tracing.report()


@pytest.mark.parametrize("kind", METHODS)
def test_a_traced_run_has_the_bits_of_an_untraced_one(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec("rounds=3", *method_overrides(kind))
    traced, report = trace(spec)
    assert traced == digest(spec)
    assert report.to_dict()["floor_ratio"] > 0
    assert digest(spec) == traced  # nothing is left behind


def test_the_parts_of_a_zeroth_order_run_are_told_apart_and_add_up(make_spec: MakeSpec) -> None:
    spec = make_spec("rounds=3", "method.upload=scalars", "evaluation.every=1")
    _, report = trace(spec)
    seconds = report.seconds()
    steps = {"forward", "probes", "draws", "axpy", "optimizer", "batches", "packing", "other"}
    server = {"forward", "backward", "optimizer", "packing", "other"}
    shared = {"aggregation", "replay", "evaluation", "checkpoint", "round", "driver_other"}
    expected = {f"client_{part}" for part in steps} | {f"main_server_{part}" for part in server} | shared
    assert set(seconds) == expected - {"checkpoint"}
    assert all(spent > 0 for spent in seconds.values())
    assert sum(seconds.values()) == pytest.approx(report.total_seconds)


def test_the_parts_lie_within_the_wall_time_of_the_run(heron, spec_file, tmp_path) -> None:
    options = ("--trace", tmp_path / "trace.json", "--checkpoint-dir", tmp_path / "kept", "--set", "compute.checkpoint_every=1")
    result = heron("run", spec_file, "--json", *options).object
    traced = result["trace"]
    assert (traced["rounds"], traced["recorded_rounds"], traced["processes"]) == (3, 2, 1)
    assert traced["floor_ratio"] == pytest.approx(traced["round_seconds"] / traced["floor_seconds"])
    assert sum(traced["seconds"].values()) == pytest.approx(traced["total_seconds"])
    assert 0 < traced["seconds"]["checkpoint"] < traced["total_seconds"] < result["wall_seconds"]
    assert result["trajectory_digest"] == heron("run", spec_file, "--json").object["trajectory_digest"]


def test_the_file_is_a_chrome_trace(heron, spec_file, tmp_path) -> None:
    file = tmp_path / "trace.json"
    result = heron("run", spec_file, "--json", "--trace", file).object
    kept = json.loads(file.read_text())
    assert kept["otherData"]["left_out"] == [0]
    assert kept["otherData"]["trace"] == result["trace"]
    spans = [event for event in kept["traceEvents"] if event["ph"] == "X"]
    assert {span["name"] for span in spans} == set(result["trace"]["seconds"]) | {"driver_floor"}
    threads = {event["tid"]: event["args"]["name"] for event in kept["traceEvents"] if event["name"] == "thread_name"}
    assert set(threads.values()) == {"driver", "client", "main server", "federation server"}
    assert all(threads[span["tid"]] == span["cat"].replace("_", " ") for span in spans)
    assert min(span["ts"] for span in spans) == 0
    rounds, floors = (sum(span["dur"] for span in spans if span["name"] == f"driver_{name}") for name in ("other", "floor"))
    assert (rounds - floors) / 1e6 == pytest.approx(sum(result["trace"]["seconds"].values()))
    for outer, inner in (("round", "client_other"), ("client_other", "client_axpy"), ("client_axpy", "client_probes")):
        first = next(span for span in spans if span["name"] == inner)
        inside = [s for s in spans if s["name"] == outer and s["ts"] <= first["ts"] and _end(first) <= _end(s) + 1e-3]
        assert len(inside) == 1


def _end(span) -> float:
    return span["ts"] + span["dur"]


def test_without_json_there_is_a_table(heron, spec_file, tmp_path) -> None:
    lines = heron("run", spec_file, "--trace", tmp_path / "trace.json").stdout.splitlines()
    table = lines[lines.index("part                   seconds  share") :]
    assert any(line.startswith("client probes  ") and line.endswith("%") for line in table)
    assert table[-4].split() == ["rounds", "recorded", "2", "of", "3"]
    assert table[-1].startswith("round / floor ")


def test_a_file_that_cannot_be_written_is_named_before_anything_runs(heron, spec_file, tmp_path) -> None:
    outcome = heron("run", spec_file, "--trace", tmp_path / "absent" / "trace.json", "--json")
    assert outcome.code == 2
    assert "absent/trace.json" in outcome.object["error"]["message"]


def test_the_ratio_is_that_of_rounds_that_were_not_disturbed_by_recording() -> None:
    def report(*rounds: Round) -> dict[str, object]:
        process = ProcessTrace(role="driver", clock_ns=0, totals={}, events=[], left_out=0)
        return TraceReport(processes=[process], rounds=rounds).to_dict()

    recorded, bare = Round(spent=90, floor=10, is_recorded=True), Round(spent=20, floor=10, is_recorded=False)
    assert report(recorded, bare, recorded)["floor_ratio"] == 2
    assert report(recorded)["floor_ratio"] == 9
    assert report()["floor_ratio"] is None


def test_compiled_code_has_no_layers_to_time(heron, spec_file, tmp_path):
    outcome = heron("run", spec_file, "--set", "compute.compile=true", "--trace", tmp_path / "trace.json")
    assert outcome.code == 2
    assert "set compute.compile=false" in outcome.stderr
