"""`heron sweep` verbs that talk to a service."""

from __future__ import annotations

import csv
import io

import pytest

from api.domain.states import State
from heron_ray.spec import parse_spec
from tests.cli.conftest import SPEC

MU = "method.zeroth_order.mu"
PROPOSALS = [{MU: 1e-3}, {MU: 1e-2}, {MU: 1e-1}]
COSTLY = ("--objective", "max:validation_accuracy", "--objective", "min:costs.client_peak_bytes")


@pytest.fixture
def submit(heron, service, spec_file):
    """Submits a sweep by the command line; its id."""
    return lambda *options: heron("sweep", "submit", spec_file, "--space", "mu", "--samples", 3, *options).stdout.strip()


@pytest.fixture
def play(store):
    """Plays the dispatcher of a sweep: its trials end with these accuracies, None for one that fails."""

    def run(id, *accuracies, end=True):
        sweep = store.sweeps.claim(owner="test", lease_s=60)
        assert sweep.id == id
        store.sweeps.running(id, sweep.token, owner_pid=1, proposals=PROPOSALS)
        for number, accuracy in enumerate(accuracies, start=1):
            store.sweeps.submit_trial(id, sweep.token, number, parse_spec(SPEC))
            _, attempt = store.claim(owner="test", lease_s=60)
            state = State.FAILED if accuracy is None else State.SUCCEEDED
            result = {"validation_accuracy": accuracy, "test_accuracy": 0.5, "costs": {"client_peak_bytes": 100 * number}}
            result = None if accuracy is None else result
            store.finish(attempt.id, attempt.token, state=state, reason=None, message=None, result=result)
        numbers = list(range(1, len(accuracies) + 1))
        from tune_spaces import sweep_of

        store.sweeps.settle(id, sweep.token, numbers, sweep_of(sweep.sweep).objectives)
        if end:
            store.sweeps.finish(id, sweep.token, state=State.SUCCEEDED, reason=None, message=None)

    return run


def test_submit_prints_the_id_and_hands_on_the_whole_plan(heron, service, store, submit):
    plan = ("--seeds", 2, "--search", "optuna", "--scheduler", "median", "--seed", 7, "--budget", "rounds=900", *COSTLY)
    kept = store.sweeps.get(submit(*plan, "--set", "rounds=9"))
    assert (kept.base["rounds"], kept.sweep["samples"], kept.sweep["seeds"], kept.sweep["seed"]) == (9, 3, 2, 7)
    assert (kept.sweep["search"], kept.sweep["scheduler"], kept.sweep["budget"]["rounds"]) == ("optuna", "median", 900)
    assert [objective["series"] for objective in kept.sweep["objectives"]] == ["validation_accuracy", "costs.client_peak_bytes"]


def test_an_objective_may_be_spelled_out(heron, service, store, submit):
    text = "{series: bytes_up, direction: min, reduce: sum, until_accuracy: 0.9}"
    (objective,) = store.sweeps.get(submit("--objective", text)).sweep["objectives"]
    assert objective == {"series": "bytes_up", "direction": "min", "reduce": "sum", "until_accuracy": 0.9}


def test_a_plan_that_makes_no_sense_is_bad_usage(heron, service, spec_file):
    for options in (("--objective", "bytes_up"), ("--objective", "min:test_loss"), ("--budget", "euros=3")):
        assert heron("sweep", "submit", spec_file, "--space", "mu", *options).code == 2


def test_submit_under_a_key_that_was_used_finds_the_sweep(heron, service, submit):
    assert submit("--idempotency-key", "night") == submit("--idempotency-key", "night") != submit()


def test_list_and_show_tell_where_sweeps_stand(heron, service, submit, play):
    ids = [submit(), submit()]
    play(ids[0], 0.4, 0.8, end=False)
    lines = heron("sweep", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", ids[1], ids[0]]
    shown = heron("sweep", "show", ids[0]).stdout
    assert f"{MU}=0.01" in shown
    assert "80.00 %" in shown
    assert heron("sweep", "show", ids[0], "--json").object["best"]["number"] == 2


def test_best_prints_the_best_point_and_several_objectives_have_a_pareto_set(heron, service, submit, play):
    single, double = submit(), submit(*COSTLY)
    play(single, 0.4, 0.8, 0.6)
    play(double, 0.4, 0.8, 0.6)
    assert heron("sweep", "best", single).stdout.splitlines()[1].split()[:2] == ["2", "0.8"]
    assert heron("sweep", "best", double).code == 2
    points = [line.split()[0] for line in heron("sweep", "pareto", double).stdout.splitlines()[1:]]
    assert points == ["1", "2"]
    assert [point["number"] for point in heron("sweep", "pareto", single, "--json").object["pareto"]] == [2]


def test_importance_says_so_where_too_little_is_known(heron, service, submit, play):
    id = submit()
    play(id, 0.4, 0.8)
    outcome = heron("sweep", "importance", id)
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "2 points say too little" in outcome.stderr


def test_export_writes_a_line_per_trial(heron, service, submit, play, tmp_path):
    id = submit(*COSTLY)
    play(id, 0.4, None)
    rows = list(csv.DictReader(io.StringIO(heron("sweep", "export", id, "-o", "-").stdout)))
    assert [row["state"] for row in rows] == ["SUCCEEDED", "FAILED", "CANCELLED"]
    assert rows[0][MU] == "0.001"
    assert rows[0]["min costs.client_peak_bytes"] == "100.0"
    assert rows[1]["max validation_accuracy"] == ""
    assert heron("sweep", "export", id, "-o", tmp_path / "trials.csv").code == 0
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 4


def test_a_sweep_is_paused_resumed_extended_retried_and_cancelled(heron, service, store, submit, play):
    id = submit()
    assert heron("sweep", "pause", id).stdout.strip() == "QUEUED (paused)"
    assert heron("sweep", "resume", id).stdout.strip() == "QUEUED"
    play(id, 0.4, None)
    assert heron("sweep", "resume", id).code == 4
    assert heron("sweep", "retry", id).stdout.strip() == "QUEUED"
    assert heron("sweep", "extend", id, "--samples", 5, "--json").object["samples"] == 8
    assert heron("sweep", "cancel", id).stdout.strip() == "CANCELLED"
    assert heron("sweep", "show", "nothing").code == 3
