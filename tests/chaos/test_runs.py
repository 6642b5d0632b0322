"""What a storm compares: a run that differs in anything is found out."""

from __future__ import annotations

import copy

import pytest

from benchmarks.chaos.runs import Undisturbed, faults_of

EXPECTED = Undisturbed(
    spec={},
    rounds=3,
    digest="d",
    validation_accuracy=0.5,
    series={"test_accuracy": {"rounds": [1, 2, 3], "values": [0.1, 0.2, 0.3]}},
)


def told(kind, **data):
    return {"kind": kind, "data": data}


@pytest.fixture
def run():
    """What the service tells of a run that was interrupted once, after its second round."""
    states = ("QUEUED", "STARTING", "RUNNING", "INTERRUPTED", "QUEUED", "STARTING", "RUNNING", "SUCCEEDED")
    queued, starting, running, *rest = (told("state", state=state) for state in states)
    rounds = [told("round_finished", round=number) for number in (1, 2, 3)]
    events = [queued, starting, running, told("started", after_round=0), *rounds[:2], *rest[:-1]]
    events += [told("started", after_round=1), rounds[2], told("finished"), rest[-1]]
    attempts = [{"number": number, "ended_at": "x", "exit_reason": exit} for number, exit in ((1, "lost"), (2, "succeeded"))]
    return {
        "page": {"state": "SUCCEEDED", "result": {"trajectory_digest": "d"}, "attempts": attempts},
        "series": copy.deepcopy(EXPECTED.series),
        "events": [{**event, "id": number} for number, event in enumerate(events, start=1)],
    }


def renumber(run):
    for number, event in enumerate(run["events"], start=1):
        event["id"] = number


def lose_a_round(run):
    run["events"] = [event for event in run["events"] if event["data"].get("round") != 2]
    renumber(run)


def double_a_round(run):
    run["events"].insert(6, copy.deepcopy(run["events"][5]))
    renumber(run)


def swap_rounds(run):
    run["events"][4], run["events"][5] = run["events"][5], run["events"][4]
    renumber(run)


def lose_an_event(run):
    del run["events"][5]


def start_twice(run):
    run["events"].insert(4, copy.deepcopy(run["events"][3]))
    renumber(run)


def finish_twice(run):
    run["events"].insert(-1, copy.deepcopy(run["events"][-2]))
    renumber(run)


def skip_a_state(run):
    run["events"] = [event for event in run["events"] if event["data"].get("state") != "STARTING"]
    renumber(run)


def change_a_point(run):
    run["series"]["test_accuracy"]["values"][1] += 1e-16


def lose_a_point(run):
    run["series"]["test_accuracy"]["rounds"].pop()
    run["series"]["test_accuracy"]["values"].pop()


def leave_an_attempt_open(run):
    run["page"]["attempts"][0]["ended_at"] = None


def succeed_twice(run):
    run["page"]["attempts"][0]["exit_reason"] = "succeeded"


def change_the_digest(run):
    run["page"]["result"]["trajectory_digest"] = "e"


def fail(run):
    run["page"].update(state="FAILED", reason="retries_exhausted", message="gave up")


def test_a_run_that_was_interrupted_and_lost_nothing_has_no_fault(run):
    assert faults_of(run["page"], run["series"], run["events"], EXPECTED) == []


@pytest.mark.parametrize(
    "harm",
    [
        lose_a_round, double_a_round, swap_rounds, lose_an_event, start_twice, finish_twice, skip_a_state, change_a_point,
        lose_a_point, leave_an_attempt_open, succeed_twice, change_the_digest, fail,
    ],
)  # fmt: skip
def test_a_run_that_differs_in_anything_is_found_out(run, harm):
    harm(run)
    assert faults_of(run["page"], run["series"], run["events"], EXPECTED) != []
