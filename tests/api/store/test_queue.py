"""Admission, retries and kill as the databases keep them: the same sentences hold on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from api.domain.states import State
from heron_ray.errors import ConflictError, NotFoundError, StaleAttemptError


def interrupted(store, attempt, reason="driver_lost"):
    return store.interrupt(attempt.id, attempt.token, reason=reason, message="it died", max_attempts=5)


def started(store, make_spec, **submission):
    store.submit(make_spec(), **submission)
    return store.claim(owner="me", lease_s=60)


class TestQueue:
    def test_it_is_read_oldest_first(self, store, make_spec):
        ids = [store.submit(make_spec()).id for _ in range(4)]
        store.claim(owner="me", lease_s=60)
        assert [experiment.id for experiment in store.queued(limit=2)] == ids[1:3]

    def test_it_is_counted_who_is_ahead(self, store, make_spec):
        ids = [store.submit(make_spec()).id for _ in range(4)]
        assert [store.ahead(id, most=2) for id in ids] == [0, 1, 2, 2]
        store.claim(owner="me", lease_s=60)
        assert [store.ahead(id, most=9) for id in ids] == [0, 0, 1, 2]

    def test_nobody_is_ahead_of_what_is_unknown(self, store):
        with pytest.raises(NotFoundError, match="'nonesuch'"):
            store.ahead("nonesuch", most=9)

    def test_a_reason_is_kept_while_it_waits_and_no_longer(self, store, make_spec):
        first, second = store.submit(make_spec()).id, store.submit(make_spec()).id
        store.note_waiting({first: "waits for memory", second: "waits for its turn"})
        assert (store.get(first).waiting, store.get(second).waiting) == ("waits for memory", "waits for its turn")
        store.claim(owner="me", lease_s=60)
        store.request_cancel(second)
        store.note_waiting({first: "too late", second: "too late"})
        assert (store.get(first).waiting, store.get(second).waiting) == (None, None)

    def test_a_younger_one_may_be_claimed_by_its_id_with_what_it_is_let_in_with(self, store, make_spec):
        first, second = store.submit(make_spec()).id, store.submit(make_spec()).id
        needs = {"cpus": 2.0, "estimated": ["cpus"]}
        experiment, _ = store.claim(owner="me", lease_s=60, id=second, resources=needs)
        assert (experiment.id, experiment.resources) == (second, needs)
        assert store.claim(owner="me", lease_s=60, id=second) is None
        assert store.get(first).state is State.QUEUED


class TestRetryPolicy:
    def test_its_number_of_attempts_goes_before_the_services(self, store, make_spec):
        _, attempt = started(store, make_spec, retry={"max_attempts": 1})
        ended = interrupted(store, attempt)
        assert (ended.state, ended.reason) == (State.FAILED, "retries_exhausted")
        assert "driver_lost" in ended.message

    def test_its_reasons_decide(self, store, make_spec):
        _, attempt = started(store, make_spec, retry={"reasons": ["out_of_memory"]})
        assert interrupted(store, attempt, "out_of_memory").state is State.QUEUED
        _, attempt = store.claim(owner="me", lease_s=60)
        assert interrupted(store, attempt, "driver_lost").state is State.FAILED

    def test_a_stop_of_the_service_uses_up_no_attempt(self, store, make_spec):
        _, attempt = started(store, make_spec, retry={"max_attempts": 2})
        for reason in ("service_stopped", "driver_lost", "service_stopped"):
            assert interrupted(store, attempt, reason).state is State.QUEUED
            _, attempt = store.claim(owner="me", lease_s=60)
        assert interrupted(store, attempt).state is State.FAILED

    def test_a_repeated_experiment_takes_its_policy_and_what_it_declared_along(self, store, make_spec):
        declared = {"memory_bytes": 5}
        first = store.submit(make_spec(), retry={"max_attempts": 2}, resources=declared)
        store.claim(owner="me", lease_s=60, resources={**declared, "cpus": 1.0, "estimated": ["cpus"]})
        store.request_kill(first.id)
        ((_, attempt),) = store.live_attempts()
        interrupted(store, attempt)
        again, _ = store.retry(first.id)
        assert (again.retry, again.resources) == ({"max_attempts": 2}, declared)

    @pytest.mark.parametrize("other", [{"retry": {"max_attempts": 3}}, {"resources": {"cpus": 2.0}}, {}])
    def test_another_policy_under_a_key_is_another_submission(self, store, make_spec, other):
        given = {"retry": {"max_attempts": 2}, "resources": {"cpus": 1.0}}
        first, _ = store.submit_once(make_spec(), key="k", **given)
        store.claim(owner="me", lease_s=60, resources={"cpus": 1.0, "gpus": 0.0, "estimated": ["gpus"]})
        assert store.submit_once(make_spec(), key="k", **given)[0].id == first.id
        with pytest.raises(ConflictError, match=first.id):
            store.submit_once(make_spec(), key="k", **other)


class TestKilling:
    def test_a_queued_experiment_ends_at_once(self, store, make_spec):
        killed = store.request_kill(store.submit(make_spec()).id)
        assert (killed.state, killed.reason) == (State.CANCELLED, "kill_requested")

    def test_a_running_one_ends_as_killed_when_its_driver_is_gone(self, store, start_run):
        experiment, attempt = start_run(store)
        killing = store.request_kill(experiment.id)
        assert (killing.state, killing.reason) == (State.CANCELLING, "kill_requested")
        ended = interrupted(store, attempt)
        assert (ended.state, ended.reason, ended.message) == (State.CANCELLED, "kill_requested", "killed on request")

    def test_it_overtakes_a_cancel(self, store, start_run):
        experiment, _ = start_run(store)
        store.request_cancel(experiment.id)
        assert store.request_kill(experiment.id).reason == "kill_requested"
        assert store.request_cancel(experiment.id).reason == "kill_requested"

    def test_one_that_has_ended_is_a_conflict(self, store, make_spec):
        id = store.submit(make_spec()).id
        store.request_kill(id)
        with pytest.raises(ConflictError, match="CANCELLED"):
            store.request_kill(id)


class TestLeases:
    def test_a_lease_lapses_by_the_databases_clock(self, store, make_spec, start_run):
        _, living = start_run(store)
        store.submit(make_spec())
        _, lapsed = store.claim(owner="me", lease_s=-1)
        assert store.lapsed_attempts() == {lapsed.id}
        store.renew([(lapsed.id, lapsed.token)], lease_s=60)
        assert store.lapsed_attempts() == frozenset()
        store.require_held(living.id, living.token)

    @pytest.mark.parametrize("how", ["adopted", "ended", "unknown"])
    def test_a_holder_with_nothing_to_write_learns_that_it_holds_nothing(self, store, start_run, how):
        _, attempt = start_run(store)
        if how == "adopted":
            store.adopt(attempt.id, owner="other", lease_s=60)
        if how == "ended":
            interrupted(store, attempt)
        with pytest.raises(StaleAttemptError):
            store.require_held(999_999 if how == "unknown" else attempt.id, attempt.token)
