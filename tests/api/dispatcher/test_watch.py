"""What becomes of an attempt, whatever its driver and the database do: a scripted driver stands in for the process on Ray."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from ray.exceptions import GetTimeoutError

from api.dispatcher.outcome import Outcome
from api.dispatcher.pool import DriverPool
from api.dispatcher.settings import DispatcherSettings
from api.dispatcher.watch import Watch
from api.domain.artifacts import ArtifactFile, ArtifactKind
from api.domain.states import State
from heron_ray.errors import DatabaseError, DivergedError, ExhaustedMemoryError, LostActorError

STARTED = {"kind": "started", "key": "started:0", "rounds": 20}
SUCCEEDED = Outcome(state=State.SUCCEEDED, result={})


class ScriptedDriver:
    """Answers each question for events with the next step of its script: events, an outcome, an error, or what to do first."""

    name = "driver-scripted"

    def __init__(self, *script):
        self.script = list(script)
        self.killed = threading.Event()

    def start(self, attempt_id, order):
        self.order = order

    def info(self):
        return {"pid": 4711, "node": "node-a"}

    def events(self, attempt_id, *, after, limit, wait_s):
        if self.killed.is_set():
            raise LostActorError("the driver process died")
        step = self.script.pop(0) if self.script else []
        if callable(step):
            step = step() or []
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Outcome):
            return {"events": [], "last": after, "outcome": step}
        self.killed.wait(0.0 if step else 0.01)
        return {"events": step, "last": after + len(step), "outcome": None}

    def stop(self, attempt_id):
        self.script = [Outcome(state=State.CANCELLED, result={})]

    def release(self, attempt_id):
        pass

    def kill(self):
        self.killed.set()


@pytest.fixture
def watch(sqlite_store, make_spec, tmp_path):
    """Makes a watch over a claimed experiment."""

    def make(driver, *, submission=None, **settings):
        sqlite_store.submit(make_spec(), **(submission or {}))
        experiment, attempt = sqlite_store.claim(owner="me", lease_s=60)
        chosen = DispatcherSettings(
            owner="me", checkpoints=tmp_path / "checkpoints", artifacts=tmp_path / "artifacts", **settings
        )
        pool = DriverPool(size=1, call_s=1, start_s=60)
        return Watch(sqlite_store, pool, driver, chosen, experiment=experiment, attempt=attempt)

    return make


def ended(store, watch):
    watch.run()
    return store.get(watch.experiment.id)


def states(store, id):
    return [event.data["state"] for event in store.events(id, after=0, limit=99) if event.kind == "state"]


def test_it_runs_once_the_run_has_begun_and_ends_as_the_run_did(sqlite_store, watch):
    watching = watch(driver := ScriptedDriver([], [STARTED], SUCCEEDED))
    assert ended(sqlite_store, watching).state is State.SUCCEEDED
    assert states(sqlite_store, watching.experiment.id) == ["QUEUED", "STARTING", "RUNNING", "SUCCEEDED"]
    assert sqlite_store.attempts(watching.experiment.id)[0].driver_pid == 4711
    assert not driver.killed.is_set()


def test_what_a_run_left_behind_is_recorded_with_its_end(sqlite_store, watch, tmp_path):
    left = ArtifactFile(name="spec.yaml", kind=ArtifactKind.SPEC, size_bytes=1, sha256="0" * 64, round=None)
    watching = watch(driver := ScriptedDriver([STARTED], replace(SUCCEEDED, artifacts=(left,))))
    assert ended(sqlite_store, watching).state is State.SUCCEEDED
    id = watching.experiment.id
    assert [record.name for record in sqlite_store.artifacts.of(id)] == ["spec.yaml"]
    assert driver.order.checkpoints == tmp_path / "checkpoints" / id / "attempt-0001"
    assert driver.order.folder == tmp_path / "artifacts" / id / "attempt-1"


def test_a_run_that_does_not_begin_in_time_is_queued_again(sqlite_store, watch):
    found = ended(sqlite_store, watch(driver := ScriptedDriver(), start_s=0.1))
    assert (found.state, found.reason) == (State.QUEUED, "start_timeout")
    assert driver.killed.is_set()


def test_a_driver_that_is_slow_to_answer_is_asked_again(sqlite_store, watch):
    watching = watch(ScriptedDriver([STARTED], GetTimeoutError("slow"), SUCCEEDED))
    assert ended(sqlite_store, watching).attempts == 1


def test_a_database_that_is_away_for_longer_than_a_driver_may_be_silent_costs_nothing(sqlite_store, watch, monkeypatch):
    watching = watch(driver := ScriptedDriver([STARTED], SUCCEEDED), silence_s=0.2)
    record, failures = sqlite_store.record, [DatabaseError("away")] * 3

    def away_for_a_while(*arguments, **options):
        if failures:
            raise failures.pop()
        record(*arguments, **options)

    monkeypatch.setattr(sqlite_store, "record", away_for_a_while)
    assert ended(sqlite_store, watching).state is State.SUCCEEDED
    assert not driver.killed.is_set()
    assert [event.kind for event in sqlite_store.events(watching.experiment.id, after=0, limit=99)].count("started") == 1


@pytest.mark.parametrize("with_events", [True, False])
def test_one_whose_attempt_was_taken_ends_its_driver_and_writes_nothing(sqlite_store, watch, with_events):
    def taken():
        sqlite_store.adopt(watching.attempt.id, owner="other", lease_s=60)
        return [{**STARTED, "key": "started:9"}] if with_events else []

    watching = watch(driver := ScriptedDriver([STARTED], taken), look_s=0.0)
    found = ended(sqlite_store, watching)
    assert (found.state, driver.killed.is_set()) == (State.RUNNING, True)
    assert sqlite_store.live_attempts()[0][1].owner == "other"
    assert "started:9" not in str(sqlite_store.events(found.id, after=0, limit=99))


def test_a_kill_ends_it_at_once(sqlite_store, watch):
    def killed():
        sqlite_store.request_kill(watching.experiment.id)
        watching.kill()

    watching = watch(ScriptedDriver([STARTED], killed))
    found = ended(sqlite_store, watching)
    assert (found.state, found.reason) == (State.CANCELLED, "kill_requested")


def test_a_cancel_waits_for_the_run_to_stop(sqlite_store, watch):
    def cancelled():
        sqlite_store.request_cancel(watching.experiment.id)
        watching.cancel()

    watching = watch(driver := ScriptedDriver([STARTED], cancelled))
    assert ended(sqlite_store, watching).state is State.CANCELLED
    assert not driver.killed.is_set()


def test_an_own_fault_is_retried_only_where_it_is_listed(sqlite_store, watch):
    fault = Outcome.of_error(MemoryError())
    assert ended(sqlite_store, watch(ScriptedDriver([STARTED], fault))).state is State.FAILED
    listed = {"retry": {"reasons": ["out_of_memory"]}}
    assert ended(sqlite_store, watch(ScriptedDriver([STARTED], fault), submission=listed)).state is State.QUEUED


def test_a_run_that_diverged_fails(sqlite_store, watch):
    fault = Outcome.of_error(DivergedError("diverged in round 2", round=2))
    assert ended(sqlite_store, watch(ScriptedDriver([STARTED], fault))).reason == "diverged"


def test_a_driver_that_ray_ended_for_memory_fails_it_with_the_figures(sqlite_store, watch):
    submission = {"resources": {"memory_bytes": 2**30}}
    watching = watch(ScriptedDriver([STARTED], ExhaustedMemoryError("15 of 16 GB in use")), submission=submission)
    found = ended(sqlite_store, watching)
    assert (found.state, found.reason) == (State.FAILED, "out_of_memory")
    assert "15 of 16 GB in use" in found.message
    assert "let in with 1024 MiB of memory (declared)" in found.message


def test_a_dead_driver_interrupts_the_attempt(sqlite_store, watch):
    found = ended(sqlite_store, watch(ScriptedDriver([STARTED], LostActorError("the driver process died"))))
    assert (found.state, found.reason) == (State.QUEUED, "driver_lost")


def test_a_closing_dispatcher_hands_the_experiment_back(sqlite_store, watch):
    def closing():
        watching.close()

    watching = watch(ScriptedDriver([STARTED], closing))
    found = ended(sqlite_store, watching)
    assert (found.state, found.reason) == (State.QUEUED, "service_stopped")
