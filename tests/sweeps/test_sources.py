"""What Ray Tune is given to try: what is written down and not over, and then what a search proposes. No Ray."""

from __future__ import annotations

import pytest

from api.dispatcher.sweep_desk import Desk
from api.dispatcher.sweep_sources import Course, source_of
from tune_spaces import plan_sweep
from tune_spaces.news import TrialNews

MU = "method.zeroth_order.mu"


def course(plan, trials=(), ended=None):
    return Course(
        sweep=plan.model_dump(mode="json"),
        seed=5,
        trials=list(trials),
        ended=ended or {},
        prior=(),
        rounds=10,
        concurrency=2,
        directory="unused",
    )


def everything(source):
    found = []
    while (trial := source.next_trial()) is not None:
        found.append(trial)
    return found


@pytest.fixture
def plan():
    return lambda **fields: plan_sweep("mu", {"samples": 4, **fields})


def test_without_a_scheduler_trials_that_have_ended_are_not_given_again(plan):
    trials = [{MU: 0.1}, {MU: 0.01}, {MU: 0.001}]
    source = source_of(course(plan(), trials, {1: (0.5,), 2: None}), plan(), Desk())
    assert everything(source) == [(3, {MU: 0.001})]


def test_a_scheduler_is_given_them_all_because_it_compares(plan):
    trials = [{MU: 0.1}, {MU: 0.01}]
    asha = plan(scheduler="asha")
    assert [number for number, _ in everything(source_of(course(asha, trials, {1: (0.5,)}), asha, Desk()))] == [1, 2]


def test_what_a_search_proposes_is_put_down_before_it_is_given(plan):
    desk, learns = Desk(), plan(search="optuna")
    source = source_of(course(learns), learns, desk)
    for number in range(1, 5):
        given = source.next_trial()
        assert given is not None
        assert (number, desk.requests().proposed[number - 1]) == given
    assert source.next_trial() is None


def test_a_point_with_seeds_is_given_seed_by_seed(plan):
    desk, learns = Desk(), plan(search="optuna", seeds=2)
    given = everything(source_of(course(learns), learns, desk))
    assert [number for number, _ in given] == list(range(1, 9))
    assert [trial["seed"] for _, trial in given] == [5, 6] * 4
    assert [trial for _, trial in given] == list(desk.requests().proposed)
    assert given[0][1][MU] == given[1][1][MU] != given[2][1][MU]


def test_after_a_restart_what_is_written_down_comes_first_and_only_the_rest_is_proposed(plan):
    learns = plan(search="optuna")
    written = [trial for _, trial in everything(source_of(course(learns), learns, Desk()))][:2]
    desk = Desk([2], then_from=3)
    given = everything(source_of(course(learns, written, {1: (0.5,)}), learns, desk))
    assert given[0] == (2, written[1])
    assert [number for number, _ in given] == [2, 3, 4]
    assert list(desk.requests().proposed) == [trial for _, trial in given[1:]]
    assert not [trial for trial in desk.requests().proposed if trial in written]


def test_a_search_is_told_what_the_desk_hears(plan):
    learns = plan(search="optuna", samples=40)
    desk = Desk()
    source = source_of(course(learns), learns, desk)
    found = []
    for _ in range(40):
        number, trial = source.next_trial()
        found.append(trial[MU])
        desk.submit(number)
        desk.bring({number: TrialNews(scores=(), ended=True, values=(-abs(trial[MU] - 1e-3),))})
    assert sum(mu > 2e-2 for mu in found[-15:]) < sum(mu > 2e-2 for mu in found[:15])


def test_trials_are_begun_in_the_order_in_which_tune_was_given_them():
    desk = Desk([2, 5], then_from=6)
    desk.submit(6)
    desk.submit(5)
    assert desk.requests().begun == ()
    desk.submit(2)
    assert desk.requests().begun == (2, 5, 6)
