"""What the store knows of files and forks, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from api.domain.artifacts import CHECKPOINT_STATE, MODEL, ArtifactFile, ArtifactKind
from api.domain.states import State
from heron_ray.errors import ConflictError, NotFoundError, PolicyError, SpecError, SpecIssue, StaleAttemptError


def file(name, *, round=10, kind=ArtifactKind.MODEL):
    return ArtifactFile(name=name, kind=kind, size_bytes=5_000_000_000, sha256="a" * 64, round=round)


@pytest.fixture
def end_run(start_run):
    """An ended experiment that left a model and a checkpoint of round 10 of 20."""

    def end(store, *, files=None, state=State.FAILED, **declared):
        experiment, attempt = start_run(store, **declared)
        left = files if files is not None else [file(MODEL), file(CHECKPOINT_STATE, kind=ArtifactKind.CHECKPOINT)]
        store.artifacts.record(attempt.id, attempt.token, files=left)
        store.finish(attempt.id, attempt.token, state=state, reason="diverged", message=None, result=None)
        return store.get(experiment.id)

    return end


def test_artifacts_are_listed_by_name_with_size_and_digest(store, end_run):
    id = end_run(store).id
    first, second = store.artifacts.of(id)
    assert (first.name, second.name) == (CHECKPOINT_STATE, MODEL)
    assert (second.kind, second.size_bytes, second.sha256, second.round) == ("model", 5_000_000_000, "a" * 64, 10)
    assert store.artifacts.find(id, MODEL) == (second, 1)


def test_recording_again_replaces_what_was_recorded(store, start_run):
    experiment, attempt = start_run(store)
    store.artifacts.record(attempt.id, attempt.token, files=[file(MODEL)])
    store.artifacts.record(attempt.id, attempt.token, files=[file("result.json", round=None)])
    assert [found.name for found in store.artifacts.of(experiment.id)] == ["result.json"]


def test_a_stale_attempt_records_nothing(store, start_run):
    experiment, attempt = start_run(store)
    store.adopt(attempt.id, owner="dispatcher-2", lease_s=60)
    with pytest.raises(StaleAttemptError):
        store.artifacts.record(attempt.id, attempt.token, files=[file(MODEL)])
    assert store.artifacts.of(experiment.id) == []


def test_artifacts_go_with_their_experiment(store, end_run):
    id = end_run(store).id
    store.delete(id)
    with pytest.raises(NotFoundError, match=id):
        store.artifacts.of(id)
    other = end_run(store, files=[])
    assert store.artifacts.of(other.id) == []


def test_what_is_not_there_is_named(store, end_run):
    id = end_run(store).id
    with pytest.raises(NotFoundError, match=r"no artifact 'other\.txt'"):
        store.artifacts.find(id, "other.txt")
    with pytest.raises(NotFoundError, match="no experiment 'nonesuch'"):
        store.artifacts.find("nonesuch", MODEL)


def test_ids_of_no_experiment_are_told_apart_from_the_others(store, make_spec):
    ids = [store.submit(make_spec()).id for _ in range(3)]
    strangers = {f"{number:016x}" for number in range(1200)}
    assert store.artifacts.unknown([*ids, *strangers]) == strangers
    assert store.artifacts.unknown([]) == set()


class TestForking:
    def test_a_fork_is_a_new_experiment_that_says_where_it_begins(self, store, end_run):
        parent = end_run(store)
        fork, is_new = store.forks.submit(parent.id, [("method.zeroth_order.mu", 0.01)], tags=["again"])
        assert is_new
        assert (fork.state, fork.forked_from, fork.forked_round, fork.round) == (State.QUEUED, parent.id, 10, 10)
        assert fork.spec["method"]["zeroth_order"]["mu"] == 0.01
        assert fork.trajectory_hash != parent.trajectory_hash
        assert fork.tags == ("again",)
        assert store.get(fork.id) == fork

    def test_a_fork_without_changes_continues_a_run_that_was_stopped(self, store, end_run):
        parent = end_run(store, state=State.FAILED)
        fork, _ = store.forks.submit(parent.id, [], round=10)
        assert (fork.spec, fork.tags) == (parent.spec, parent.tags)

    def test_what_a_fork_must_keep_is_refused_by_name(self, store, end_run):
        with pytest.raises(SpecError) as refused:
            store.forks.submit(end_run(store).id, [("seed", 3), ("model.back", [8]), ("rounds", 10)])
        assert {issue.path for issue in refused.value.issues} == {"seed", "model.back", "rounds"}

    def test_what_has_not_ended_cannot_be_forked(self, store, start_run):
        experiment, _ = start_run(store)
        with pytest.raises(ConflictError, match="has not ended"):
            store.forks.submit(experiment.id, [])

    def test_a_checkpoint_that_was_not_kept_is_a_conflict(self, store, end_run):
        with pytest.raises(ConflictError, match="of round 10 behind, and none of round 7"):
            store.forks.submit(end_run(store).id, [], round=7)
        with pytest.raises(ConflictError, match="left no checkpoint"):
            store.forks.submit(end_run(store, files=[file("spec.yaml", round=None)]).id, [])
        with pytest.raises(NotFoundError):
            store.forks.submit("nonesuch", [])

    def test_the_same_key_finds_the_same_fork(self, store, end_run):
        parent, other = end_run(store), end_run(store)
        first, is_new = store.forks.submit(parent.id, [("rounds", 30)], key="night")
        again, is_new_again = store.forks.submit(parent.id, [("rounds", 30)], key="night")
        assert (first.id, is_new, is_new_again) == (again.id, True, False)
        with pytest.raises(ConflictError, match="used for another submission"):
            store.forks.submit(parent.id, [("rounds", 31)], key="night")
        with pytest.raises(ConflictError, match="used for another submission"):
            store.forks.submit(other.id, [("rounds", 30)], key="night")

    def test_a_fork_says_who_asked_for_it_and_keeps_what_its_parent_declared(self, store, end_run):
        declared = {"retry": {"max_attempts": 3}, "resources": {"cpus": 1.0}}
        parent = end_run(store, **declared)
        fork, _ = store.forks.submit(parent.id, [], key="night", submitted_by="someone")
        assert (fork.submitted_by, fork.retry, fork.resources) == ("someone", declared["retry"], declared["resources"])
        assert store.forks.submit(parent.id, [], key="night", submitted_by="someone") == (fork, False)

    def test_a_fork_that_is_not_let_through_is_not_queued(self, store, end_run):
        def refuse(spec):
            raise PolicyError([SpecIssue(path="rounds", message=f"{spec.rounds} are too many")])

        parent = end_run(store)
        with pytest.raises(PolicyError, match="90 are too many"):
            store.forks.submit(parent.id, [("rounds", 90)], require=refuse)
        assert [found.id for found in store.list(limit=9)] == [parent.id]

    def test_a_parent_is_needed_until_its_fork_has_ended(self, store, end_run):
        parent = end_run(store)
        assert store.artifacts.parents_of_unfinished() == set()
        fork, _ = store.forks.submit(parent.id, [])
        store.delete(parent.id)
        assert store.artifacts.parents_of_unfinished() == {parent.id}
        store.request_cancel(fork.id)
        assert store.artifacts.parents_of_unfinished() == set()
