"""Searches that learn: they get nearer, never repeat themselves, and go on after a restart."""

from __future__ import annotations

import math

import pytest

from tune_spaces import plan_sweep
from tune_spaces.adaptive import AdaptiveSearch

MU = "method.zeroth_order.mu"
CONDITIONAL = {
    "method.client_optimizer.kind": {"kind": "choice", "values": ["sgd", "adam"]},
    "method.client_optimizer.lr": {"kind": "loguniform", "low": 1e-4, "high": 1e-1},
    "method.client_optimizer.momentum": {
        "kind": "choice",
        "values": [0.0, 0.9],
        "when": {"method.client_optimizer.kind": ["sgd"]},
    },
}
BYTES = {"series": "bytes_up", "direction": "min", "reduce": "sum"}


def search(space="mu", samples=40, kind="optuna", **plan):
    return AdaptiveSearch(plan_sweep(space, {"samples": samples, "search": kind, **plan}))


def distance(point):
    """Of mu from a hundredth, in decades."""
    return abs(math.log10(point[MU]) + 2)


def conduct(found, count, value, after=0):
    """Propose `count` points, telling each what it came to at once; `after` so many that it knows."""
    points = []
    while len(points) < count and (point := found.propose()) is not None:
        points.append(point)
        found.tell(after + len(points), value(point))
    return points


@pytest.mark.parametrize("kind", ["optuna", "nsga2"])
def test_later_points_are_better_than_the_first_ones(kind):
    points = conduct(search(kind=kind, samples=80), 80, lambda point: (1 - distance(point),))
    first, last = points[:20], points[-20:]
    assert sum(map(distance, last)) < 0.7 * sum(map(distance, first))


def test_a_gaussian_process_finds_the_best_mu_within_sixteen_points():
    points = conduct(search(kind="gp", samples=16), 16, lambda point: (1 - distance(point),))
    assert min(map(distance, points)) < 0.1


def test_an_objective_to_be_minimized_is():
    points = conduct(search(samples=60, objectives=[BYTES]), 60, lambda point: (distance(point),))
    assert sum(map(distance, points[-20:])) < 0.7 * sum(map(distance, points[:20]))


@pytest.mark.parametrize("kind", ["optuna", "gp", "nsga2"])
def test_the_same_search_told_the_same_proposes_the_same(kind):
    plan = {"samples": 14, "kind": kind, "seed": 3, "space": CONDITIONAL}
    value = lambda point: (point["method.client_optimizer.lr"],)  # noqa: E731
    assert conduct(search(**plan), 14, value) == conduct(search(**plan), 14, value)


@pytest.mark.parametrize("kind", ["optuna", "nsga2"])
def test_another_seed_proposes_others(kind):
    assert search(kind=kind, seed=1).propose() != search(kind=kind, seed=2).propose()


@pytest.mark.parametrize("kind", ["optuna", "nsga2"])
def test_an_axis_is_there_only_under_its_condition(kind):
    points = conduct(search(CONDITIONAL, kind=kind), 40, lambda point: (point["method.client_optimizer.lr"],))
    kinds = {point["method.client_optimizer.kind"] for point in points}
    assert kinds == {"sgd", "adam"}
    for point in points:
        assert ("method.client_optimizer.momentum" in point) == (point["method.client_optimizer.kind"] == "sgd")


def test_no_point_is_proposed_twice_and_a_small_space_ends():
    points = conduct(search("auxiliary", samples=50), 50, lambda point: (point["model.auxiliary.size"] / 10,))
    assert sorted(point["model.auxiliary.size"] for point in points) == [0, 1, 2, 3, 4, 5]


def test_no_more_points_are_proposed_than_asked_for():
    assert len(conduct(search(samples=5), 50, lambda point: (0.5,))) == 5


@pytest.mark.parametrize("kind", ["optuna", "gp", "nsga2"])
def test_after_a_restart_the_search_goes_on_from_what_is_known(kind):
    value = lambda point: (1 - distance(point),)  # noqa: E731
    before = search(kind=kind, samples=60)
    points = conduct(before, 25 if kind != "gp" else 12, value)
    after = search(kind=kind, samples=60)
    # The last one was still under way.
    after.replay(points, {number: value(point) for number, point in enumerate(points[:-1], start=1)})
    after.tell(len(points), value(points[-1]))
    more = [after.propose() for _ in range(3)]
    assert not [point for point in more if point in points]
    fresh = search(kind=kind, samples=60)
    assert more != [fresh.propose() for _ in range(3)]
    again = search(kind=kind, samples=60)
    again.replay(points, {number: value(point) for number, point in enumerate(points, start=1)})
    assert [again.propose() for _ in range(3)] == more


def test_what_a_restarted_search_proposes_is_near_what_was_good():
    value = lambda point: (1 - distance(point),)  # noqa: E731
    points = conduct(search(samples=200), 60, value)
    after = search(samples=200)
    after.replay(points, {number: value(point) for number, point in enumerate(points, start=1)})
    more = conduct(after, 20, value, after=60)
    assert sum(map(distance, more)) < 0.7 * sum(map(distance, points[:20]))


def test_points_that_fail_are_avoided():
    good = conduct(search(samples=80), 80, lambda point: None if point[MU] > 1e-3 else (0.5 + point[MU],))
    assert sum(point[MU] > 1e-3 for point in good[-20:]) < sum(point[MU] > 1e-3 for point in good[:20])


def test_several_objectives_are_weighed_against_one_another():
    plan = {"objectives": [{"series": "validation_accuracy"}, BYTES], "samples": 60, "kind": "nsga2"}
    points = conduct(search(**plan), 60, lambda point: (1 - distance(point), point[MU]))
    # Above a hundredth both get worse, so evolution leaves it.
    assert sum(point[MU] > 2e-2 for point in points[-20:]) < sum(point[MU] > 2e-2 for point in points[:20])


def test_a_warm_start_makes_the_first_points_good_ones():
    cold = search(samples=20)
    warm = search(samples=20)
    prior = conduct(search(samples=60, seed=9), 60, lambda point: (1 - distance(point),))
    warm.learn([(point, (1 - distance(point),)) for point in prior])
    firsts = [[found.propose() for _ in range(10)] for found in (cold, warm)]
    assert sum(map(distance, firsts[1])) < 0.7 * sum(map(distance, firsts[0]))


def test_points_outside_of_the_space_teach_nothing_and_do_no_harm():
    found = search("auxiliary")
    found.learn([({"model.auxiliary.size": 7}, (0.9,)), ({"rounds": 3}, (0.9,)), ({"model.auxiliary.size": "x"}, (0.9,))])
    assert found.propose() is not None
