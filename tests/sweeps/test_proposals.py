from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.spec.space import IntegerAxis, LogUniformAxis, UniformAxis
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import SPACES, resolve_space
from tune_spaces.bridge import propose
from tune_spaces.grid import spread


def proposals(space, samples=8, **fields):
    return propose(SweepSpec(space=resolve_space(space), samples=samples, **fields))


@pytest.mark.parametrize("search", ["random", "grid"])
def test_eight_samples_of_mu_are_eight_distinct_values_within_its_range(search):
    found = [trial["method.zeroth_order.mu"] for trial in proposals("mu", search=search)]
    axis = SPACES["mu"].axes["method.zeroth_order.mu"]
    assert len(set(found)) == 8
    assert all(axis.low <= value <= axis.high for value in found)


def test_the_same_sweep_proposes_the_same_trials_and_another_seed_others():
    assert proposals("joint", seed=3) == proposals("joint", seed=3)
    assert proposals("joint", seed=3) != proposals("joint", seed=4)


def test_fewer_samples_are_the_first_of_more():
    assert proposals("mu", samples=3) == proposals("mu", samples=8)[:3]


def test_a_space_with_fewer_values_than_samples_is_tried_once_each():
    found = proposals("auxiliary", samples=50)
    assert sorted(trial["model.auxiliary.size"] for trial in found) == [0, 1, 2, 3, 4, 5]


def test_a_grid_has_both_ends_of_the_axis_and_even_steps_of_the_logarithm_between():
    found = [trial["method.zeroth_order.mu"] for trial in proposals("mu", samples=5, search="grid")]
    assert found == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]


def test_a_grid_of_two_axes_crosses_them_within_the_samples():
    space = {"clients.local_steps": {"kind": "integer", "low": 1, "high": 9}, "seed": {"kind": "choice", "values": [1, 2]}}
    found = [tuple(trial.values()) for trial in proposals(space, samples=7, search="grid")]
    assert sorted(found) == [(1, 1), (1, 2), (5, 1), (5, 2), (9, 1), (9, 2)]


def test_a_grid_axis_gives_every_value_also_in_a_random_search():
    space = {"seed": {"kind": "grid", "values": [1, 2, 3]}, "partition.alpha": {"kind": "uniform", "low": 0.1, "high": 1}}
    found = proposals(space, samples=6)
    assert [trial["seed"] for trial in found] == [1, 2, 3, 1, 2, 3]
    assert len({trial["partition.alpha"] for trial in found}) == 6


def test_values_may_be_whole_sections():
    heads = [{"kind": "linear"}, {"kind": "mlp", "widths": [8]}]
    found = proposals({"model.auxiliary": {"kind": "choice", "values": heads}}, samples=9)
    assert sorted((trial["model.auxiliary"] for trial in found), key=str) == heads


OPTIMIZERS = {
    "method.client_optimizer.kind": {"kind": "choice", "values": ["sgd", "adam"]},
    "method.client_optimizer.momentum": {
        "kind": "choice",
        "values": [0.0, 0.5, 0.9],
        "when": {"method.client_optimizer.kind": ["sgd"]},
    },
}


@pytest.mark.parametrize("search", ["random", "grid"])
def test_an_axis_is_there_only_under_its_condition_and_no_point_comes_twice(search):
    found = proposals(OPTIMIZERS, samples=30, search=search)
    assert sorted(tuple(trial.values()) for trial in found) == [("adam",), ("sgd", 0.0), ("sgd", 0.5), ("sgd", 0.9)]


@given(low=st.integers(1, 50), width=st.integers(1, 200), log=st.booleans(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_points_of_whole_numbers_are_as_many_as_asked_for_and_go_from_end_to_end(low, width, log, data):
    axis = IntegerAxis(kind="integer", low=low, high=low + width, log=log)
    count = data.draw(st.integers(2, width + 1))
    points = spread(axis, count)
    assert len(points) == count
    assert points == sorted(set(points))
    assert (points[0], points[-1]) == (low, low + width)


@given(low=st.floats(1e-6, 1e3), factor=st.floats(1.001, 1e6), count=st.integers(2, 20), log=st.booleans())
@settings(max_examples=200, deadline=None)
def test_points_of_numbers_stay_within_their_bounds(low, factor, count, log):
    axis = (LogUniformAxis if log else UniformAxis)(kind="loguniform" if log else "uniform", low=low, high=low * factor)
    points = spread(axis, count)
    assert points == sorted(points)
    assert all(axis.low <= point <= axis.high for point in points)
