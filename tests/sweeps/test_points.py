"""Points, their trials over seeds, and which of them are not beaten."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain.states import State
from api.domain.sweeps import TrialRecord, best_point, best_trial, pareto_set, points_of
from heron_ray.spec.sweep import Objective
from tune_spaces import plan_sweep
from tune_spaces.points import point_values, with_seeds

MAX = Objective()
MIN = Objective(series="bytes_up", direction="min", reduce="sum")


def trials(*values, state=State.SUCCEEDED):
    return [
        TrialRecord(number=number, overrides={"mu": number, "seed": number}, state=state, values=value)
        for number, value in enumerate(values, start=1)
    ]


def test_a_point_with_several_seeds_has_their_mean_and_deviation():
    first, second = points_of(trials((0.2,), (0.4,), (0.9,), (0.9,)), seeds=2)
    assert (first.trials, first.means) == ((1, 2), (pytest.approx(0.3),))
    assert first.deviations == (pytest.approx(statistics.stdev([0.2, 0.4])),)
    assert (second.number, second.means, second.deviations) == (2, (0.9,), (0.0,))
    assert first.overrides == {"mu": 1}


def test_the_best_point_is_chosen_on_the_mean_and_not_on_one_lucky_seed():
    found = trials((1.0,), (0.0,), (0.6,), (0.6,))
    assert best_trial(found, seeds=2).number == 3


def test_a_point_of_which_a_seed_failed_is_not_compared():
    found = [*trials((0.9,)), *trials((0.9,), state=State.FAILED)]
    (point,) = points_of(found, seeds=2)
    assert point.means is None
    assert best_trial(found, seeds=2) is None


def test_a_trial_that_was_stopped_early_is_not_the_best():
    assert best_trial(trials((0.9,), state=State.CANCELLED)) is None


def test_the_least_is_best_where_less_is_better():
    assert best_trial(trials((5.0,), (3.0,), (3.0,)), objectives=(MIN,)).number == 2


def test_with_several_objectives_there_is_no_best_but_a_set_that_no_point_beats():
    points = points_of(trials((0.9, 10.0), (0.8, 5.0), (0.7, 7.0), (0.9, 10.0)))
    assert best_point(points, (MAX, MIN)) is None
    assert [point.number for point in pareto_set(points, (MAX, MIN))] == [1, 2, 4]


values = st.integers(0, 5).map(float)


@given(st.lists(st.tuples(values, values, values), max_size=30))
def test_the_pareto_set_is_what_its_definition_says(found):
    objectives = (MAX, MIN, Objective(series="client_loss", direction="min"))
    points = points_of(trials(*found))

    def beats(one, other):
        as_good = [a == b or objective.is_better(a, b) for objective, a, b in zip(objectives, one, other, strict=True)]
        return all(as_good) and one != other

    expected = [point for point in points if not any(beats(other.means, point.means) for other in points)]
    assert pareto_set(points, objectives) == expected


def test_a_trial_that_does_not_report_an_objective_is_left_out():
    points = points_of(trials((0.9, None), (0.8, 5.0)))
    assert [point.number for point in pareto_set(points, (MAX, MIN))] == [2]


def test_trials_of_a_point_follow_one_another():
    assert with_seeds([{"rounds": 1}, {"rounds": 2}], 2, 5) == [
        {"rounds": 1, "seed": 5},
        {"rounds": 1, "seed": 6},
        {"rounds": 2, "seed": 5},
        {"rounds": 2, "seed": 6},
    ]


def test_a_search_is_told_of_a_point_once_all_of_its_seeds_have_ended():
    plan = plan_sweep("mu", {"samples": 9, "seeds": 2, "search": "optuna"})
    ended = {1: (0.2,), 2: (0.4,), 3: (0.5,), 5: None, 6: (0.9,)}
    assert point_values(ended, plan) == {1: (pytest.approx(0.3),), 3: None}
