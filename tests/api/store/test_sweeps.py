from __future__ import annotations

import threading

import pytest

from api.domain.states import State
from api.domain.sweeps import best_trial
from api.routes.examples import example_spec
from api.store import Store
from heron_ray.errors import ConflictError, NotFoundError, StaleAttemptError
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import resolve_space

ACCURACY = "validation_accuracy"
PROPOSALS = [{"seed": 1}, {"seed": 2}, {"seed": 3}]
SWEEP = SweepSpec(space=resolve_space({"seed": {"kind": "choice", "values": [1, 2, 3]}}), samples=3)


def submit(store):
    return store.sweeps.submit(example_spec(), SWEEP, name="base")


@pytest.fixture
def sweep(store):
    """A running sweep with three proposed trials."""
    submit(store)
    claimed = store.sweeps.claim(owner="one", lease_s=60)
    store.sweeps.running(claimed.id, claimed.token, owner_pid=4711, proposals=PROPOSALS)
    return store.sweeps.get(claimed.id)


@pytest.fixture
def begin(store, sweep, make_spec):
    """Submits a trial and brings it to RUNNING; its attempt."""

    def begin_trial(number):
        id = store.sweeps.submit_trial(sweep.id, sweep.token, number, make_spec(seed=number))
        experiment, attempt = store.claim(owner="dispatcher", lease_s=60)
        assert experiment.id == id
        store.running(attempt.id, attempt.token, driver_pid=1, node="here")
        return attempt

    return begin_trial


def score(store, attempt, round, accuracy):
    metrics = {"validation_accuracy": accuracy, "test_accuracy": accuracy - 0.1, "client_loss": 1.0}
    event = {"kind": "round_finished", "key": f"round_finished:{round}", "round": round, "rounds": 20, "metrics": metrics}
    store.record(attempt.id, attempt.token, events=[event])


def finish(store, attempt, accuracy, state=State.SUCCEEDED):
    result = {"validation_accuracy": accuracy, "test_accuracy": accuracy - 0.1}
    store.finish(attempt.id, attempt.token, state=state, reason=None, message=None, result=result)


def test_a_submitted_sweep_is_queued_and_kept_as_it_was_submitted(store):
    id = submit(store).id
    kept = store.sweeps.get(id)
    assert (kept.state, kept.trials, kept.owner) == (State.QUEUED, None, None)
    assert kept.base == example_spec()
    assert SweepSpec.model_validate_json(SWEEP.model_dump_json()).model_dump(mode="json") == kept.sweep
    assert store.sweeps.trials(id) == []


def test_sweeps_are_listed_newest_first_page_by_page(store):
    ids = [submit(store).id for _ in range(3)]
    assert [sweep.id for sweep in store.sweeps.list(limit=2)] == [ids[2], ids[1]]
    assert [sweep.id for sweep in store.sweeps.list(limit=2, before=ids[1])] == [ids[0]]


def test_an_unknown_sweep_is_not_found(store):
    for ask in (store.sweeps.get, store.sweeps.trials, store.sweeps.request_cancel, store.sweeps.proposals):
        with pytest.raises(NotFoundError, match="no sweep 'nothing'"):
            ask("nothing")


def test_two_owners_never_claim_one_sweep(store, database_url):
    ids = {submit(store).id for _ in range(6)}
    claimed, barrier = [], threading.Barrier(3)

    def claim_all():
        other = Store.open(database_url)
        barrier.wait()
        while (found := other.sweeps.claim(owner="x", lease_s=60)) is not None:
            claimed.append(found.id)
        other.close()

    threads = [threading.Thread(target=claim_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 6
    assert set(claimed) == ids


def test_proposals_once_recorded_stay_for_whoever_takes_over(store, sweep):
    taken = store.sweeps.adopt(sweep.id, sweep.token, owner="two", lease_s=60)
    store.sweeps.running(taken.id, taken.token, owner_pid=4712, proposals=[{"seed": 9}])
    assert store.sweeps.proposals(sweep.id) == PROPOSALS
    assert (taken.owner, store.sweeps.get(sweep.id).owner_pid) == ("two", 4712)


def test_an_owner_whose_sweep_was_taken_over_can_write_nothing(store, sweep, make_spec):
    store.sweeps.adopt(sweep.id, sweep.token, owner="two", lease_s=60)
    stale = (sweep.id, sweep.token)
    for write in (
        lambda: store.sweeps.submit_trial(*stale, 1, make_spec()),
        lambda: store.sweeps.stop_trials(*stale, None, reason="x", message="x"),
        lambda: store.sweeps.running(*stale, owner_pid=1, proposals=[]),
        lambda: store.sweeps.renew(*stale, lease_s=60),
        lambda: store.sweeps.adopt(*stale, owner="three", lease_s=60),
        lambda: store.sweeps.finish(*stale, state=State.SUCCEEDED, reason=None, message=None),
    ):
        with pytest.raises(StaleAttemptError, match="another owner"):
            write()
    assert store.list(limit=9) == []


def test_a_trial_submitted_twice_is_one_experiment(store, sweep, make_spec):
    ids = {store.sweeps.submit_trial(sweep.id, sweep.token, 2, make_spec(seed=2)) for _ in range(3)}
    (experiment,) = store.list(limit=9)
    assert ids == {experiment.id}
    assert (experiment.sweep_id, experiment.trial, experiment.tags) == (sweep.id, 2, (f"sweep-{sweep.id}",))
    states = [(trial.number, trial.state, trial.experiment_id) for trial in store.sweeps.trials(sweep.id)]
    assert states == [(1, State.QUEUED, None), (2, State.QUEUED, experiment.id), (3, State.QUEUED, None)]


def test_a_trial_shows_its_newest_scores_and_its_final_ones_once_it_has_ended(store, sweep, begin):
    first, second = begin(1), begin(2)
    score(store, first, 10, 0.5)
    score(store, first, 20, 0.6)
    score(store, second, 10, 0.4)
    finish(store, second, 0.75)
    shown = store.sweeps.trials(sweep.id)
    assert [trial.validation_accuracy for trial in shown] == [0.6, 0.75, None]
    assert [trial.test_accuracy for trial in shown] == [0.5, 0.65, None]
    assert [trial.state for trial in shown] == [State.RUNNING, State.SUCCEEDED, State.QUEUED]


def test_the_best_trial_is_the_one_that_succeeded_with_the_highest_validation_accuracy(store, sweep, begin):
    finish(store, begin(1), 0.7)
    assert best_trial(store.sweeps.trials(sweep.id)).number == 1
    finish(store, begin(2), 0.8)
    third = begin(3)
    store.sweeps.stop_trials(sweep.id, sweep.token, [3], reason="stopped_early", message="behind")
    finish(store, third, 0.9, State.CANCELLED)
    assert best_trial(store.sweeps.trials(sweep.id)).number == 2


def test_scores_are_those_after_the_round_asked_for_and_the_end_is_told_with_the_last(store, sweep, begin):
    first, _ = begin(1), begin(2)
    score(store, first, 10, 0.5)
    score(store, first, 20, float("nan"))
    assert store.sweeps.scores(sweep.id, {1: 0, 2: 0}, series=ACCURACY) == {1: ([(10, 0.5), (20, None)], False), 2: ([], False)}
    finish(store, first, 0.6)
    assert store.sweeps.scores(sweep.id, {1: 10}, series=ACCURACY) == {1: ([(20, None)], True)}
    assert store.sweeps.scores(sweep.id, {1: 0}) == {1: ([], True)}


def test_a_trial_that_is_stopped_ends_with_the_reason_of_its_stop(store, sweep, begin):
    first = begin(1)
    for _ in range(2):
        store.sweeps.stop_trials(sweep.id, sweep.token, [1, 2], reason="stopped_early", message="behind")
    assert store.sweeps.trials(sweep.id)[0].state == State.CANCELLING
    finish(store, first, 0.1, State.CANCELLED)
    trial = store.sweeps.trials(sweep.id)[0]
    assert (trial.state, trial.reason) == (State.CANCELLED, "stopped_early")
    assert trial.validation_accuracy == 0.1


def test_stopping_every_trial_leaves_those_that_have_ended(store, sweep, begin, make_spec):
    finish(store, begin(1), 0.5)
    begin(2)
    store.sweeps.submit_trial(sweep.id, sweep.token, 3, make_spec(seed=3))
    store.sweeps.stop_trials(sweep.id, sweep.token, None, reason="cancel_requested", message="cancelled")
    states = [trial.state for trial in store.sweeps.trials(sweep.id)]
    assert states == [State.SUCCEEDED, State.CANCELLING, State.CANCELLED]


def test_a_queued_sweep_is_cancelled_at_once_and_an_owned_one_by_its_owner(store, sweep):
    queued = submit(store).id
    assert store.sweeps.request_cancel(queued).state == State.CANCELLED
    assert store.sweeps.request_cancel(sweep.id).state == State.CANCELLING
    assert store.sweeps.request_cancel(sweep.id).state == State.CANCELLING
    assert store.sweeps.renew(sweep.id, sweep.token, lease_s=60).state == State.CANCELLING
    store.sweeps.finish(sweep.id, sweep.token, state=State.CANCELLED, reason="cancel_requested", message=None)
    assert {trial.state for trial in store.sweeps.trials(sweep.id)} == {State.CANCELLED}
    with pytest.raises(ConflictError, match="has ended"):
        store.sweeps.request_cancel(sweep.id)


def test_only_sweeps_that_somebody_owns_are_live(store, sweep):
    submit(store)
    assert [live.id for live in store.sweeps.live()] == [sweep.id]
    store.sweeps.finish(sweep.id, sweep.token, state=State.SUCCEEDED, reason=None, message=None)
    assert store.sweeps.live() == []


def test_a_sweep_that_has_ended_cannot_be_written_to(store, sweep):
    store.sweeps.finish(sweep.id, sweep.token, state=State.SUCCEEDED, reason=None, message=None)
    with pytest.raises(StaleAttemptError, match="has ended"):
        store.sweeps.renew(sweep.id, sweep.token, lease_s=60)


def test_a_trial_of_a_living_sweep_is_not_deleted(store, sweep, begin):
    attempt = begin(1)
    finish(store, attempt, 0.5)
    with pytest.raises(ConflictError, match="cancel the sweep"):
        store.delete(attempt.experiment_id)
    store.sweeps.finish(sweep.id, sweep.token, state=State.SUCCEEDED, reason=None, message=None)
    store.delete(attempt.experiment_id)
    assert store.list(limit=9) == []
