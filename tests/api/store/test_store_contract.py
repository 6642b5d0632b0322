"""What every database must do for the service: the same sentences hold on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from api.domain.states import State
from api.store import Store
from api.store.engine import open_engine
from heron_ray.errors import ConflictError, NotFoundError, StaleAttemptError


def round_finished(round, **metrics):
    return {"kind": "round_finished", "key": f"round_finished:{round}", "round": round, "rounds": 20, "metrics": metrics}


def in_threads(calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def states_told(store, id):
    return [event.data["state"] for event in store.events(id, after=0, limit=100) if event.kind == "state"]


class TestSubmitting:
    def test_a_submitted_experiment_is_there_for_another_process(self, store, database_url, make_spec):
        spec = make_spec()
        submitted = store.submit(spec, ["b", "a", "b"])
        other = Store.open(database_url)
        found = other.get(submitted.id)
        other.close()
        assert found == submitted
        assert found.state is State.QUEUED
        assert found.spec == spec.canonical()
        assert (found.spec_hash, found.trajectory_hash) == (spec.spec_hash(), spec.trajectory_hash())
        assert found.tags == ("b", "a")
        assert (found.round, found.rounds, found.attempts, found.result) == (0, 20, 0, None)

    def test_times_are_in_utc_by_the_clock_of_the_database(self, store, make_spec):
        created_at = store.submit(make_spec()).created_at
        assert created_at.tzinfo == UTC
        assert abs(created_at - datetime.now(UTC)) < timedelta(minutes=5)

    def test_the_first_event_tells_that_it_is_queued(self, store, make_spec):
        id = store.submit(make_spec()).id
        (event,) = store.events(id, after=0, limit=10)
        assert (event.id, event.kind) == (1, "state")
        assert event.data == {"state": "QUEUED", "reason": None, "message": None}

    @pytest.mark.parametrize("question", ["get", "attempts", "series", "request_cancel", "position", "retry", "delete"])
    def test_an_unknown_id_is_not_found_by_name(self, store, question):
        with pytest.raises(NotFoundError, match="'nonesuch'"):
            getattr(store, question)("nonesuch")

    def test_events_of_an_unknown_id_are_not_found(self, store):
        with pytest.raises(NotFoundError, match="'nonesuch'"):
            store.events("nonesuch", after=0, limit=1)


class TestListing:
    def test_a_few_states_are_merged_by_age(self, store, make_spec):
        ids = [store.submit(make_spec()).id for _ in range(6)]
        for id in ids[::2]:
            store.request_cancel(id)
        both = [State.CANCELLED, State.QUEUED, State.CANCELLED]
        assert [record.id for record in store.list(limit=9, states=both)] == ids[::-1]
        assert [record.id for record in store.list(limit=2, states=[State.QUEUED])] == [ids[5], ids[3]]

    def test_experiments_are_counted_by_state(self, store, make_spec):
        store.request_cancel(store.submit(make_spec()).id)
        store.submit(make_spec())
        assert {state: count for state, count in store.count().items() if count} == {State.CANCELLED: 1, State.QUEUED: 1}


class TestSubmittingOnce:
    def test_the_same_submission_under_a_key_is_one_experiment(self, store, make_spec):
        first, is_new = store.submit_once(make_spec(), ["a", "a", "b"], key="night-1")
        again, is_new_again = store.submit_once(make_spec(), ["a", "b"], key="night-1")
        assert (is_new, is_new_again, again) == (True, False, first)
        assert [record.id for record in store.list(limit=9)] == [first.id]
        assert states_told(store, first.id) == ["QUEUED"]

    def test_it_is_found_as_it_stands_now(self, store, make_spec):
        first, _ = store.submit_once(make_spec(), key="night-1")
        store.request_cancel(first.id)
        assert store.submit_once(make_spec(), key="night-1")[0].state is State.CANCELLED

    @pytest.mark.parametrize(("fields", "tags"), [({"seed": 7}, []), ({"name": "other"}, []), ({}, ["a"])])
    def test_another_submission_under_the_key_is_a_conflict_that_names_both(self, store, make_spec, fields, tags):
        first, _ = store.submit_once(make_spec(), key="night-1")
        with pytest.raises(ConflictError, match=rf"'night-1'.*{first.id}"):
            store.submit_once(make_spec(**fields), tags, key="night-1")
        assert [record.id for record in store.list(limit=9)] == [first.id]

    def test_submissions_without_a_key_never_meet(self, store, make_spec):
        assert store.submit(make_spec()).id != store.submit(make_spec()).id

    def test_eight_threads_with_one_key_make_one_experiment(self, store, make_spec):
        spec, barrier, found = make_spec(), threading.Barrier(8), []

        def submit():
            barrier.wait()
            found.append(store.submit_once(spec, ["x"], key="race"))

        in_threads([submit] * 8)
        assert len({record.id for record, _ in found}) == 1
        assert sorted(is_new for _, is_new in found) == [False] * 7 + [True]
        assert len(store.list(limit=9)) == 1

    def test_of_two_racing_submissions_under_one_key_one_is_a_conflict(self, store, make_spec):
        for turn in range(5):
            barrier, outcomes = threading.Barrier(2), []

            def submit(seed, turn=turn, barrier=barrier, outcomes=outcomes):
                spec = make_spec(seed=seed)
                barrier.wait()
                try:
                    outcomes.append(store.submit_once(spec, key=f"race-{turn}")[1])
                except ConflictError:
                    outcomes.append("conflict")

            in_threads([lambda s=submit: s(1), lambda s=submit: s(2)])
            assert sorted(map(str, outcomes)) == ["True", "conflict"]


class TestRetrying:
    def test_an_ended_experiment_is_submitted_again_with_its_spec_and_tags(self, store, make_spec):
        first = store.submit(make_spec(), ["b", "a"])
        store.request_cancel(first.id)
        second, is_new = store.retry(first.id)
        assert is_new
        assert second.id != first.id
        assert (second.state, second.attempts, second.retried_from) == (State.QUEUED, 0, first.id)
        assert (second.spec, second.spec_hash, second.tags) == (first.spec, first.spec_hash, ("b", "a"))
        assert store.get(first.id).state is State.CANCELLED

    def test_one_that_has_not_ended_is_not_retried(self, store, start_run):
        experiment, _ = start_run(store)
        with pytest.raises(ConflictError, match="RUNNING"):
            store.retry(experiment.id)
        assert len(store.list(limit=9)) == 1

    def test_a_retry_under_a_key_is_made_once_and_is_no_submission(self, store, make_spec):
        first = store.submit(make_spec())
        store.request_cancel(first.id)
        second, _ = store.retry(first.id, key="again")
        assert store.retry(first.id, key="again") == (second, False)
        with pytest.raises(ConflictError, match="again"):
            store.submit_once(make_spec(), key="again")


class TestDeleting:
    def test_nothing_of_an_ended_experiment_is_left(self, store, database_url, start_run):
        experiment, attempt = start_run(store)
        store.record(attempt.id, attempt.token, events=[round_finished(1, loss=1.0)])
        store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={})
        store.delete(experiment.id)
        with pytest.raises(NotFoundError):
            store.get(experiment.id)
        engine = open_engine(database_url)
        with engine.connect() as connection:
            for table in ("experiment", "experiment_tag", "attempt", "event", "point"):
                assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table
        engine.dispose()

    def test_one_that_has_not_ended_is_kept(self, store, make_spec, start_run):
        queued, running = store.submit(make_spec()).id, None
        store.claim(owner="me", lease_s=60)
        running = start_run(store)[0].id
        for id in (queued, running):
            with pytest.raises(ConflictError, match="cancel it first"):
                store.delete(id)
            store.get(id)

    def test_its_key_is_free_again(self, store, make_spec):
        first, _ = store.submit_once(make_spec(), key="k")
        store.request_cancel(first.id)
        store.delete(first.id)
        assert store.submit_once(make_spec(seed=9), key="k")[1]

    def test_a_driver_of_a_deleted_attempt_never_passes_for_that_of_a_new_one(self, store, start_run):
        experiment, attempt = start_run(store)
        store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={})
        store.delete(experiment.id)
        _, next_attempt = start_run(store)
        assert next_attempt.id > attempt.id
        with pytest.raises(StaleAttemptError):
            store.record(attempt.id, attempt.token, events=[round_finished(1, loss=1.0)])


class TestClaiming:
    def test_the_oldest_queued_experiment_goes_first(self, store, make_spec):
        first, second = store.submit(make_spec()), store.submit(make_spec())
        claimed = [store.claim(owner="me", lease_s=60) for _ in range(3)]
        assert [found and found[0].id for found in claimed] == [first.id, second.id, None]
        experiment, attempt = claimed[0]
        assert experiment.state is State.STARTING
        assert (attempt.number, attempt.owner, attempt.ended_at) == (1, "me", None)
        assert attempt.lease_expires_at - attempt.started_at == timedelta(seconds=60)

    def test_eight_threads_never_claim_the_same_experiment(self, store, make_spec):
        ids = {store.submit(make_spec()).id for _ in range(16)}
        claimed, barrier = [], threading.Barrier(8)

        def claim_all(owner):
            barrier.wait()
            while (found := store.claim(owner=owner, lease_s=60)) is not None:
                claimed.append(found[0].id)

        threads = [threading.Thread(target=claim_all, args=(f"dispatcher-{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # On PostgreSQL a row that another claim is looking at is skipped, so a claim may come back empty-handed early.
        while (found := store.claim(owner="last", lease_s=60)) is not None:
            claimed.append(found[0].id)
        assert sorted(claimed) == sorted(ids)

    def test_running_notes_the_process_and_the_node(self, store, start_run):
        experiment, _ = start_run(store)
        assert experiment.state is State.RUNNING
        (attempt,) = store.attempts(experiment.id)
        assert (attempt.driver_pid, attempt.node) == (4711, "node-a")

    def test_running_does_not_undo_a_cancel(self, store, make_spec):
        store.submit(make_spec())
        experiment, attempt = store.claim(owner="me", lease_s=60)
        store.request_cancel(experiment.id)
        store.running(attempt.id, attempt.token, driver_pid=1, node="n")
        assert store.get(experiment.id).state is State.CANCELLING


class TestRecording:
    def test_rounds_become_points_and_progress(self, store, start_run):
        experiment, attempt = start_run(store)
        events = [round_finished(1, loss=2.0), round_finished(2, loss=1.0, test_accuracy=0.5)]
        store.record(attempt.id, attempt.token, events=events)
        assert store.get(experiment.id).round == 2
        assert store.series(experiment.id) == {
            "loss": {"rounds": [1, 2], "values": [2.0, 1.0]},
            "test_accuracy": {"rounds": [2], "values": [0.5]},
        }

    def test_events_are_numbered_without_gaps_across_batches_and_state_changes(self, store, start_run):
        experiment, attempt = start_run(store)
        for round in range(1, 8):
            store.record(attempt.id, attempt.token, events=[round_finished(round, loss=1.0)])
        store.request_cancel(experiment.id)
        events = store.events(experiment.id, after=0, limit=100)
        assert [event.id for event in events] == list(range(1, 12))
        assert store.events(experiment.id, after=3, limit=2) == events[3:5]

    def test_a_resumed_attempt_that_tells_its_past_again_doubles_nothing(self, store, start_run):
        experiment, attempt = start_run(store)
        past = [{"kind": "started", "key": "started:0", "rounds": 20}, *(round_finished(n, loss=1 / n) for n in range(1, 7))]
        store.record(attempt.id, attempt.token, events=past)
        series = store.series(experiment.id)
        told = store.events(experiment.id, after=0, limit=100)
        store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="gone", max_attempts=3)
        _, second = store.claim(owner="me", lease_s=60)
        before = store.events(experiment.id, after=0, limit=100)
        store.record(second.id, second.token, events=[*past[3:], round_finished(7, loss=1 / 7)])
        after = store.events(experiment.id, after=0, limit=100)
        assert after[: len(before)] == before
        assert before[: len(told)] == told
        assert [event.data.get("round") for event in after[len(before) :]] == [7]
        assert store.series(experiment.id)["loss"]["rounds"] == [1, 2, 3, 4, 5, 6, 7]
        assert store.series(experiment.id)["loss"]["values"][:6] == series["loss"]["values"]

    def test_the_same_key_twice_in_one_batch_is_one_event(self, store, start_run):
        experiment, attempt = start_run(store)
        store.record(attempt.id, attempt.token, events=[round_finished(1, loss=1.0), round_finished(1, loss=1.0)])
        assert [event.kind for event in store.events(experiment.id, after=3, limit=9)] == ["round_finished"]

    def test_a_batch_larger_than_one_statement_is_stored_whole(self, store, start_run):
        experiment, attempt = start_run(store)
        store.record(attempt.id, attempt.token, events=[round_finished(n, loss=1.0) for n in range(1, 1302)])
        assert store.series(experiment.id)["loss"]["rounds"] == list(range(1, 1302))
        assert [event.data["round"] for event in store.events(experiment.id, after=3, limit=2000)] == list(range(1, 1302))

    def test_a_value_that_is_not_finite_is_stored_as_none(self, store, start_run):
        experiment, attempt = start_run(store)
        store.record(attempt.id, attempt.token, events=[round_finished(1, loss=float("nan"), other=float("inf"))])
        assert store.series(experiment.id)["loss"]["values"] == [None]
        assert store.events(experiment.id, after=3, limit=1)[0].data["metrics"] == {"loss": None, "other": None}

    def test_progress_never_goes_back(self, store, start_run):
        experiment, attempt = start_run(store)
        store.record(attempt.id, attempt.token, events=[round_finished(5, loss=1.0)])
        store.record(attempt.id, attempt.token, events=[round_finished(3, loss=1.0)])
        assert store.get(experiment.id).round == 5

    def test_a_batch_with_a_broken_event_leaves_nothing_behind(self, store, start_run):
        experiment, attempt = start_run(store)
        with pytest.raises(KeyError):
            store.record(attempt.id, attempt.token, events=[round_finished(1, loss=1.0), {"kind": "nameless"}])
        assert store.series(experiment.id) == {}
        assert store.get(experiment.id).round == 0
        assert len(store.events(experiment.id, after=0, limit=9)) == 3


class TestEnding:
    def test_success_keeps_the_result_and_ends_the_attempt(self, store, start_run):
        experiment, attempt = start_run(store)
        result = {"test_accuracy": 0.95, "costs": {"bytes_up": 7}}
        store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result=result)
        ended = store.get(experiment.id)
        assert (ended.state, ended.reason, ended.result) == (State.SUCCEEDED, None, result)
        (kept,) = store.attempts(experiment.id)
        assert kept.ended_at is not None
        assert kept.exit_reason == "succeeded"
        assert store.live_attempts() == []

    def test_failure_says_why(self, store, start_run):
        experiment, attempt = start_run(store)
        told = "the loss is not finite in round 3"
        store.finish(attempt.id, attempt.token, state=State.FAILED, reason="diverged", message=told, result=None)
        ended = store.get(experiment.id)
        assert (ended.state, ended.reason, ended.message) == (State.FAILED, "diverged", told)
        assert store.attempts(experiment.id)[0].exit_reason == "diverged"
        last = store.events(experiment.id, after=0, limit=99)[-1]
        assert last.data == {"state": "FAILED", "reason": "diverged", "message": told}

    def test_a_message_that_quotes_foreign_text_is_stored_all_the_same(self, store, start_run):
        experiment, attempt = start_run(store)
        told = "read \0 and \ud800 from the file"
        store.finish(attempt.id, attempt.token, state=State.FAILED, reason="invalid_data", message=told, result=None)
        assert store.get(experiment.id).message == "read  and ? from the file"

    def test_an_ended_experiment_never_changes_again(self, store, start_run):
        experiment, attempt = start_run(store)
        store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={})
        ended, events = store.get(experiment.id), store.events(experiment.id, after=0, limit=99)
        with pytest.raises(ConflictError, match="SUCCEEDED"):
            store.request_cancel(experiment.id)
        with pytest.raises(StaleAttemptError):
            store.record(attempt.id, attempt.token, events=[round_finished(1, loss=1.0)])
        with pytest.raises(StaleAttemptError):
            store.finish(attempt.id, attempt.token, state=State.FAILED, reason="x", message=None, result=None)
        assert store.get(experiment.id) == ended
        assert store.events(experiment.id, after=0, limit=99) == events

    def test_finishing_as_something_that_is_no_end_is_a_conflict(self, store, start_run):
        _, attempt = start_run(store)
        with pytest.raises(ConflictError, match="QUEUED"):
            store.finish(attempt.id, attempt.token, state=State.QUEUED, reason=None, message=None, result=None)

    def test_nothing_ends_cancelled_that_nobody_cancelled(self, store, start_run):
        experiment, attempt = start_run(store)
        with pytest.raises(ConflictError):
            store.finish(attempt.id, attempt.token, state=State.CANCELLED, reason=None, message=None, result=None)
        assert store.get(experiment.id) == experiment
        assert [living.id for _, living in store.live_attempts()] == [attempt.id]


class TestCancelling:
    def test_a_queued_experiment_is_cancelled_at_once(self, store, make_spec):
        id = store.submit(make_spec()).id
        assert store.request_cancel(id).state is State.CANCELLED
        assert store.claim(owner="me", lease_s=60) is None
        assert states_told(store, id) == ["QUEUED", "CANCELLED"]

    def test_a_running_one_is_asked_to_stop_and_asking_twice_is_no_error(self, store, start_run):
        experiment, attempt = start_run(store)
        assert store.request_cancel(experiment.id).state is State.CANCELLING
        assert store.request_cancel(experiment.id).state is State.CANCELLING
        store.finish(attempt.id, attempt.token, state=State.CANCELLED, reason="cancel_requested", message=None, result=None)
        assert states_told(store, experiment.id) == ["QUEUED", "STARTING", "RUNNING", "CANCELLING", "CANCELLED"]


class TestInterrupting:
    def test_an_interrupted_experiment_is_queued_again_and_says_why(self, store, start_run):
        experiment, attempt = start_run(store)
        again = store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="it died", max_attempts=2)
        assert (again.state, again.reason, again.message) == (State.QUEUED, "driver_lost", "it died")
        assert store.attempts(experiment.id)[0].exit_reason == "driver_lost"
        claimed, second = store.claim(owner="me", lease_s=60)
        assert (claimed.id, claimed.attempts, second.number) == (experiment.id, 2, 2)
        told = ["QUEUED", "STARTING", "RUNNING", "INTERRUPTED", "QUEUED", "STARTING"]
        assert states_told(store, experiment.id) == told

    def test_the_last_attempt_fails_it_as_retries_exhausted(self, store, start_run):
        _, attempt = start_run(store)
        ended = store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="it died", max_attempts=1)
        assert (ended.state, ended.reason) == (State.FAILED, "retries_exhausted")
        assert "it died" in ended.message
        assert store.claim(owner="me", lease_s=60) is None

    def test_an_interrupted_cancel_ends_cancelled(self, store, start_run):
        experiment, attempt = start_run(store)
        store.request_cancel(experiment.id)
        ended = store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="it died", max_attempts=9)
        assert ended.state is State.CANCELLED


class TestFencing:
    @pytest.mark.parametrize(
        "write",
        [
            lambda store, id, token: store.record(id, token, events=[round_finished(9, loss=9.0)]),
            lambda store, id, token: store.running(id, token, driver_pid=1, node="other"),
            lambda store, id, token: store.interrupt(id, token, reason="x", message="x", max_attempts=9),
            lambda store, id, token: store.finish(id, token, state=State.FAILED, reason="x", message=None, result=None),
        ],
        ids=["record", "running", "interrupt", "finish"],
    )
    @pytest.mark.parametrize("how", ["adopted", "ended", "unknown"])
    def test_a_stale_token_changes_nothing(self, store, start_run, how, write):
        experiment, attempt = start_run(store)
        attempt_id = attempt.id
        if how == "adopted":
            store.adopt(attempt.id, owner="dispatcher-2", lease_s=60)
        elif how == "ended":
            store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="x", max_attempts=9)
        else:
            attempt_id = 999_999
        before = store.get(experiment.id), store.events(experiment.id, after=0, limit=99), store.attempts(experiment.id)
        with pytest.raises(StaleAttemptError):
            write(store, attempt_id, attempt.token)
        after = store.get(experiment.id), store.events(experiment.id, after=0, limit=99), store.attempts(experiment.id)
        assert after == before

    def test_the_adopter_writes_on_under_its_new_token(self, store, start_run):
        experiment, attempt = start_run(store)
        adopted = store.adopt(attempt.id, owner="dispatcher-2", lease_s=60)
        assert adopted.token > attempt.token
        assert (adopted.id, adopted.number, adopted.owner) == (attempt.id, 1, "dispatcher-2")
        store.record(adopted.id, adopted.token, events=[round_finished(1, loss=1.0)])
        assert store.get(experiment.id).round == 1
        ((_, living),) = store.live_attempts()
        assert living == adopted

    def test_an_ended_attempt_cannot_be_adopted(self, store, start_run):
        _, attempt = start_run(store)
        store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="x", max_attempts=9)
        with pytest.raises(StaleAttemptError):
            store.adopt(attempt.id, owner="dispatcher-2", lease_s=60)

    def test_renewing_prolongs_the_callers_leases_and_names_the_stale_ones(self, store, start_run):
        (_, mine), (_, lost), (_, ended) = start_run(store), start_run(store), start_run(store)
        taken = store.adopt(lost.id, owner="dispatcher-2", lease_s=60)
        store.interrupt(ended.id, ended.token, reason="x", message="x", max_attempts=1)
        stale = store.renew([(mine.id, mine.token), (lost.id, lost.token), (ended.id, ended.token)], lease_s=600)
        assert sorted(stale) == [lost.id, ended.id]
        living = {attempt.id: attempt for _, attempt in store.live_attempts()}
        assert living[mine.id].lease_expires_at - mine.lease_expires_at >= timedelta(seconds=500)
        assert living[lost.id] == taken

    def test_two_writers_on_one_experiment_never_share_an_event_number(self, store, start_run):
        experiment, attempt = start_run(store)

        def write(offset):
            for round in range(offset, 40, 2):
                store.record(attempt.id, attempt.token, events=[round_finished(round + 1, loss=1.0)])

        threads = [threading.Thread(target=write, args=(offset,)) for offset in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = store.events(experiment.id, after=3, limit=99)
        assert [event.id for event in events] == list(range(4, 44))
        assert sorted(event.data["round"] for event in events) == list(range(1, 41))
