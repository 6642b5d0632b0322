"""What people may do to a sweep that is there, what its trials came to, and what they cost: on both databases."""

from __future__ import annotations

import pytest

from api.domain.states import State
from api.domain.sweeps import best_trial
from api.routes.examples import example_spec
from heron_ray.errors import ConflictError, SpecError, StaleAttemptError
from heron_ray.spec.sweep import Objective
from tune_spaces import plan_sweep

SEEDS = {"seed": {"kind": "choice", "values": [1, 2, 3, 4, 5, 6]}}
PROPOSALS = [{"seed": 1}, {"seed": 2}, {"seed": 3}]
ACCURACY = Objective()


def submit(store, **plan):
    return store.sweeps.submit(example_spec(), plan_sweep(SEEDS, {"samples": 3, **plan}), name="base")


@pytest.fixture
def sweep(store):
    """A running sweep with three proposed trials."""
    submit(store)
    claimed = store.sweeps.claim(owner="one", lease_s=60)
    store.sweeps.running(claimed.id, claimed.token, owner_pid=4711, proposals=PROPOSALS)
    return store.sweeps.get(claimed.id)


@pytest.fixture
def end(store, sweep, make_spec):
    """Runs a trial of two rounds to its end; its experiment's id."""

    def end_trial(number, accuracies=(0.5, 0.7), state=State.SUCCEEDED, **result):
        store.sweeps.submit_trial(sweep.id, sweep.token, number, make_spec(seed=number))
        experiment, attempt = store.claim(owner="dispatcher", lease_s=60)
        store.running(attempt.id, attempt.token, driver_pid=1, node="here")
        events = [
            {
                "kind": "round_finished",
                "key": f"round_finished:{round}",
                "round": round,
                "rounds": 2,
                "metrics": {"validation_accuracy": accuracy, "bytes_up": 100.0 * round, "client_loss": 1.0 / round},
            }
            for round, accuracy in enumerate(accuracies, start=1)
        ]
        store.record(attempt.id, attempt.token, events=events)
        whole = {"validation_accuracy": accuracies[-1], "test_accuracy": 0.1, **result} if state == State.SUCCEEDED else None
        store.finish(attempt.id, attempt.token, state=state, reason=None, message=None, result=whole)
        return experiment.id

    return end_trial


def finish(store, sweep, state=State.SUCCEEDED):
    store.sweeps.finish(sweep.id, sweep.token, state=state, reason=None, message=None)


def values(store, sweep, number, *objectives):
    return store.sweeps.settle(sweep.id, sweep.token, [number], objectives)[number].values


def test_a_paused_sweep_is_not_claimed_until_it_is_resumed(store):
    id = submit(store).id
    assert store.sweeps.pause(id).paused_at == store.sweeps.pause(id).paused_at is not None
    assert store.sweeps.claim(owner="one", lease_s=60) is None
    store.sweeps.resume(id)
    assert store.sweeps.claim(owner="one", lease_s=60).id == id


def test_an_owner_lets_go_of_a_paused_sweep_and_may_write_no_more(store, sweep):
    store.sweeps.pause(sweep.id)
    store.sweeps.park(sweep.id, sweep.token)
    parked = store.sweeps.get(sweep.id)
    assert (parked.state, parked.reason, parked.owner) == (State.QUEUED, "paused", None)
    with pytest.raises(StaleAttemptError):
        store.sweeps.running(sweep.id, sweep.token, owner_pid=1, proposals=[])
    assert store.sweeps.live() == []
    assert store.sweeps.resume(sweep.id).reason is None
    taken = store.sweeps.claim(owner="two", lease_s=60)
    assert (taken.id, store.sweeps.proposals(sweep.id)) == (sweep.id, PROPOSALS)


def test_a_sweep_that_has_ended_is_neither_paused_nor_resumed(store, sweep):
    finish(store, sweep)
    for ask in (store.sweeps.pause, store.sweeps.resume):
        with pytest.raises(ConflictError, match="SUCCEEDED"):
            ask(sweep.id)


def test_more_points_queue_an_ended_sweep_again_and_leave_a_running_one_with_its_owner(store, sweep):
    running = store.sweeps.extend(sweep.id, 2)
    assert (running.state, running.sweep["samples"], running.owner) == (State.RUNNING, 5, "one")
    finish(store, sweep)
    ended = store.sweeps.extend(sweep.id, 1)
    assert (ended.state, ended.sweep["samples"], ended.owner) == (State.QUEUED, 6, None)
    with pytest.raises(StaleAttemptError):
        finish(store, sweep)
    assert [trial.state for trial in store.sweeps.trials(sweep.id)] == [State.QUEUED] * 3


def test_a_grid_is_not_extended_nor_any_sweep_beyond_what_it_may_have(store):
    with pytest.raises(ConflictError, match="grid"):
        store.sweeps.extend(submit(store, search="grid", samples=6).id, 1)
    with pytest.raises(SpecError, match="above 10000"):
        store.sweeps.extend(submit(store).id, 9_998)


def test_proposals_are_added_behind_those_that_are_there(store, sweep):
    token = sweep.token
    store.sweeps.propose(sweep.id, token, [{"seed": 4}], after=3)
    store.sweeps.propose(sweep.id, token, [{"seed": 9}, {"seed": 5}], after=3)
    assert store.sweeps.proposals(sweep.id) == [*PROPOSALS, {"seed": 4}, {"seed": 5}]
    store.sweeps.running(sweep.id, token, owner_pid=1, proposals=[*PROPOSALS, {"seed": 7}])
    assert len(store.sweeps.proposals(sweep.id)) == 5


def test_only_failed_trials_are_retried_and_the_old_experiments_stay(store, sweep, end):
    good = end(1)
    bad = end(2, state=State.FAILED)
    with pytest.raises(ConflictError, match="RUNNING"):
        store.sweeps.retry(sweep.id)
    finish(store, sweep)
    (new,) = store.sweeps.retry(sweep.id, submitted_by="key")
    retried, old = store.get(new), store.get(bad)
    assert (retried.sweep_id, retried.trial, retried.retried_from, retried.submitted_by) == (sweep.id, 2, bad, "key")
    assert (old.state, old.sweep_id, old.trial) == (State.FAILED, sweep.id, None)
    assert retried.spec == old.spec
    shown = store.sweeps.trials(sweep.id)
    assert [trial.experiment_id for trial in shown] == [good, new, None]
    assert store.sweeps.get(sweep.id).state == State.QUEUED
    taken = store.sweeps.claim(owner="two", lease_s=60)
    assert store.sweeps.submit_trial(sweep.id, taken.token, 2, store_spec(store, new)) == new


def store_spec(store, id):
    from heron_ray.spec import parse_spec

    return parse_spec(store.get(id).spec)


def test_where_nothing_failed_there_is_nothing_to_retry(store, sweep, end):
    end(1)
    finish(store, sweep)
    with pytest.raises(ConflictError, match="no trial"):
        store.sweeps.retry(sweep.id)
    assert store.sweeps.get(sweep.id).state == State.SUCCEEDED


def test_a_key_finds_its_sweep_again_and_is_good_for_no_other(store):
    plan = plan_sweep(SEEDS, {"samples": 3})
    first, is_new = store.sweeps.submit_once(example_spec(), plan, name="base", key="night", submitted_by="me")
    again, is_new_again = store.sweeps.submit_once(example_spec(), plan, name="base", key="night")
    assert (is_new, is_new_again, again.id, again.submitted_by) == (True, False, first.id, "me")
    with pytest.raises(ConflictError, match="used for another"):
        store.sweeps.submit_once(example_spec(), plan_sweep(SEEDS, {"samples": 3, "seed": 1}), name="base", key="night")
    store.sweeps.extend(first.id, 1)
    assert store.sweeps.submit_once(example_spec(), plan, name="base", key="night")[0].id == first.id


def test_trials_belong_to_whom_the_sweep_does(store, make_spec):
    store.sweeps.submit(example_spec(), plan_sweep(SEEDS, {"samples": 3}), name="base", submitted_by="me")
    taken = store.sweeps.claim(owner="one", lease_s=60)
    store.sweeps.running(taken.id, taken.token, owner_pid=1, proposals=PROPOSALS)
    assert store.get(store.sweeps.submit_trial(taken.id, taken.token, 1, make_spec())).submitted_by == "me"


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ({}, 0.6),
        ({"reduce": "best"}, 0.9),
        ({"series": "client_loss", "direction": "min"}, 1 / 3),
        ({"series": "client_loss", "direction": "max", "reduce": "best"}, 1.0),
        ({"series": "bytes_up", "direction": "min", "reduce": "sum"}, 600.0),
        ({"series": "bytes_up", "direction": "min", "reduce": "mean"}, 200.0),
        ({"series": "bytes_up", "direction": "min", "reduce": "sum", "until_accuracy": 0.8}, 300.0),
        ({"series": "bytes_up", "direction": "min", "reduce": "sum", "until_accuracy": 0.95}, None),
        ({"series": "costs.client_peak_bytes", "direction": "min"}, 2048.0),
        ({"series": "costs.nothing", "direction": "min"}, None),
        ({"series": "nothing"}, None),
    ],
)
def test_an_objective_is_read_from_the_series_and_the_result(store, sweep, end, objective, expected):
    end(1, (0.2, 0.9, 0.6), costs={"client_peak_bytes": 2048})
    assert values(store, sweep, 1, Objective(**objective)) == (expected,)


def test_what_a_trial_came_to_is_written_down_once(store, sweep, end):
    end(1)
    assert values(store, sweep, 1, ACCURACY) == (0.7,)
    assert values(store, sweep, 1, Objective(series="bytes_up")) == (0.7,)
    assert best_trial(store.sweeps.trials(sweep.id)).number == 1


def test_the_names_that_an_objective_could_have_are_told(store, sweep, end):
    end(1, costs={"client_peak_bytes": 1})
    assert store.sweeps.reported(sweep.id) == ["bytes_up", "client_loss", "validation_accuracy", "costs.client_peak_bytes"]


def test_what_the_trials_cost_is_added_up(store, sweep, end):
    assert store.sweeps.spent(sweep.id).trials == 0
    end(1, costs={"bytes_up": 2**40, "bytes_down": 5}, wall_seconds=1.5)
    end(2, costs={"bytes_up": 7, "bytes_down": 0}, wall_seconds=2.0)
    end(3, state=State.FAILED)
    spent = store.sweeps.spent(sweep.id)
    assert (spent.trials, spent.rounds, spent.bytes, spent.wall_s) == (3, 6, 2**40 + 12, 3.5)


def test_a_later_sweep_learns_from_the_trials_that_succeeded_by_its_own_objectives(store, sweep, end):
    end(1)
    end(2, state=State.FAILED)
    by_bytes = Objective(series="bytes_up", direction="min", reduce="sum")
    assert store.sweeps.prior([sweep.id], (by_bytes,)) == [({"seed": 1}, (300.0,))]
