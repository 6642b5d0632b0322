"""Sweeps through the service: whoever owns one may die, and no trial is lost or run twice."""

from __future__ import annotations

import httpx
import psutil
import pytest

# A sweep starts a process of Ray Tune and a driver per slot; on two cores that takes minutes.
pytestmark = pytest.mark.timeout(600)

MU = "method.zeroth_order.mu"
ENDS = ("SUCCEEDED", "FAILED", "CANCELLED")


@pytest.fixture
def sweep(service, small_spec, until):
    """Submits sweeps over the small experiment and looks at them."""

    class Sweeps:
        def submit(self, **fields):
            body = {"spec": small_spec(), "space": "mu", "samples": 3, "search": "random", "scheduler": "none", **fields}
            answer = httpx.post(f"{service.url}/v1/sweeps", json=body, timeout=30)
            assert answer.status_code == 201, answer.text
            return answer.json()["id"]

        def get(self, id):
            def ask():
                try:
                    answer = httpx.get(f"{service.url}/v1/sweeps/{id}", timeout=5)
                except httpx.TransportError:
                    return None
                return answer.raise_for_status().json()

            return until(ask, f"sweep {id}")

        def wait_for_end(self, id):
            return until(lambda: (page := self.get(id))["state"] in ENDS and page, f"sweep {id} ends", within_s=280)

        def experiments(self, id):
            answer = httpx.get(f"{service.url}/v1/experiments", params={"tag": f"sweep-{id}"}, timeout=30)
            return answer.raise_for_status().json()["experiments"]

        def wait_for_ended_trial(self, id):
            """The page with its first ended trial and another one that runs."""

            def is_in_the_middle():
                page = self.get(id)
                assert page["state"] in ("QUEUED", "STARTING", "RUNNING"), page
                states = [trial["state"] for trial in page["trials"]]
                return "SUCCEEDED" in states and "RUNNING" in states and page

            return until(is_in_the_middle, "a trial ends and the next one runs")

        def change(self, id, what, **body):
            answer = httpx.post(f"{service.url}/v1/sweeps/{id}/{what}", timeout=30, **body)
            assert answer.is_success, answer.text

        def cancel(self, id):
            self.change(id, "cancel")

    return Sweeps()


def require_each_trial_once(sweep, page, *, count=3):
    """Every trial ended well, in an experiment of its own, and there are no others."""
    assert page["state"] == "SUCCEEDED", page
    assert [trial["number"] for trial in page["trials"]] == list(range(1, count + 1))
    assert {trial["state"] for trial in page["trials"]} == {"SUCCEEDED"}
    assert len({trial["overrides"][MU] for trial in page["trials"]}) == count
    assert {trial["experiment_id"] for trial in page["trials"]} == {found["id"] for found in sweep.experiments(page["id"])}
    scores = [trial["validation_accuracy"] for trial in page["trials"]]
    assert page["best"] == page["trials"][scores.index(max(scores))]


@pytest.mark.parametrize(
    ("victim", "search"), [("tune", "random"), pytest.param("dispatcher", "random", marks=pytest.mark.soak)]
)
def test_a_killed_owner_is_replaced_and_the_sweep_goes_on(service, sweep, victim, search):
    id = sweep.submit(search=search)
    before = sweep.wait_for_ended_trial(id)
    pid = before["owner_pid"] if victim == "tune" else service.about()["pids"]["dispatcher"]
    psutil.Process(pid).kill()
    page = sweep.wait_for_end(id)
    require_each_trial_once(sweep, page)
    assert page["owner_pid"] != before["owner_pid"]
    # A search that learns had not proposed them all by then.
    for earlier, now in zip(before["trials"], page["trials"], strict=search == "random"):
        assert now["overrides"] == earlier["overrides"]
        assert now["experiment_id"] == (earlier["experiment_id"] or now["experiment_id"])
    attempts = [service.get(trial["experiment_id"])["attempts"] for trial in page["trials"]]
    assert [len(found) for found in attempts] == [1, 1, 1]


def test_a_trial_that_falls_behind_is_stopped_early(sweep, small_spec):
    # The second learns nothing; there is room for one at a time, so the first has reached its end by then.
    rates = {"method.server_optimizer.lr": {"kind": "choice", "values": [0.3, 1e-9]}}
    plan = {"space": rates, "samples": 2, "search": "grid", "scheduler": "asha"}
    page = sweep.wait_for_end(sweep.submit(spec=small_spec(rounds=100), **plan))
    assert page["state"] == "SUCCEEDED", page
    good, bad = page["trials"]
    assert (good["state"], good["round"]) == ("SUCCEEDED", good["rounds"])
    assert (bad["state"], bad["reason"]) == ("CANCELLED", "stopped_early")
    assert bad["round"] < bad["rounds"]
    assert page["best"]["number"] == 1


def test_a_cancelled_sweep_ends_its_trials_and_begins_no_more(service, sweep, until):
    id = sweep.submit()
    until(lambda: any(trial["state"] == "RUNNING" for trial in sweep.get(id)["trials"]), "a trial runs")
    sweep.cancel(id)
    page = sweep.wait_for_end(id)
    assert page["state"] == "CANCELLED"
    assert {trial["state"] for trial in page["trials"]} <= {"CANCELLED", "SUCCEEDED"}
    assert "CANCELLED" in {trial["state"] for trial in page["trials"]}
    until(lambda: not (service.directory.path / "sweeps" / id).exists(), "Ray Tune's notes are removed")


@pytest.mark.soak
def test_a_paused_sweep_rests_until_it_is_resumed_and_one_that_has_ended_is_extended(service, sweep, until):
    # Up to one more than can run has begun by then, and goes to its end.
    id = sweep.submit(samples=4)
    until(lambda: any(trial["state"] == "RUNNING" for trial in sweep.get(id)["trials"]), "a trial runs")
    sweep.change(id, "pause")
    rests = until(lambda: (page := sweep.get(id))["state"] == "QUEUED" and page, "it rests", within_s=120)
    assert (rests["paused"], rests["reason"]) == (True, "paused")
    assert {trial["state"] for trial in rests["trials"]} == {"SUCCEEDED", "QUEUED"}
    sweep.change(id, "resume")
    require_each_trial_once(sweep, sweep.wait_for_end(id), count=4)
    sweep.change(id, "extend", json={"samples": 1})
    require_each_trial_once(sweep, sweep.wait_for_end(id), count=5)


def test_a_sweep_whose_objective_nobody_reports_says_what_is_reported(sweep, small_spec):
    page = sweep.wait_for_end(sweep.submit(spec=small_spec(rounds=20), samples=1, objectives=[{"series": "nonsense"}]))
    assert (page["state"], page["reason"], page["best"]) == ("FAILED", "objective_not_reported", None)
    assert "max nonsense" in page["message"]
    assert "validation_accuracy" in page["message"]


def test_a_sweep_begins_no_more_trials_once_its_budget_is_spent(sweep, small_spec):
    page = sweep.wait_for_end(sweep.submit(spec=small_spec(rounds=40), seeds=2, budget={"trials": 2}))
    assert (page["state"], page["reason"]) == ("SUCCEEDED", "budget_spent")
    assert [trial["state"] for trial in page["trials"]] == ["SUCCEEDED"] * 2 + ["CANCELLED"] * 4
    (known,) = [point for point in page["points"] if point["means"] is not None]
    scores = [trial["validation_accuracy"] for trial in page["trials"][:2]]
    assert known["means"] == [pytest.approx(sum(scores) / 2)]


def test_a_sweep_of_which_no_trial_succeeds_has_failed(service, sweep):
    rates = {"method.client_optimizer.lr": {"kind": "choice", "values": [900.0, 1000.0]}}
    page = sweep.wait_for_end(sweep.submit(space=rates, samples=2))
    assert (page["state"], page["reason"], page["best"]) == ("FAILED", "no_trial_succeeded", None)
    assert [trial["reason"] for trial in page["trials"]] == ["diverged", "diverged"]
