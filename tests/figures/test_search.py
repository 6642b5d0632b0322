"""How a search went, drawn: what Plotly accepts, and what a reader would read off it."""

from __future__ import annotations

import plotly.graph_objects
import pytest

from heron_ray.figures import importance_bars, pareto_front, search_history, slices

MAX = {"label": "max validation_accuracy", "direction": "max"}
MIN = {"label": "min sum of bytes_up", "direction": "min"}


def point(number, *means, deviations=None, **overrides):
    return {
        "number": number,
        "overrides": overrides,
        "means": means or None,
        "deviations": deviations or ((0.0,) * len(means) if means else None),
    }


POINTS = [
    point(1, 0.5, 10.0, mu=1e-4, kind="sgd"),
    point(2, mu=1e-3, kind="adam"),
    point(3, 0.8, 30.0, mu=1e-2, kind="sgd", momentum=0.9),
    point(4, 0.6, 40.0, mu=1e-1, kind={"w": [1]}),
]


def accepted(figure):
    return plotly.graph_objects.Figure(figure)


@pytest.mark.parametrize(("objective", "index", "expected"), [(MAX, 0, (0.5, 0.8, 0.8)), (MIN, 1, (10.0, 10.0, 10.0))])
def test_the_history_goes_with_the_best_so_far(objective, index, expected):
    marks, best = accepted(search_history(POINTS, objective, index)).data
    assert marks.x == best.x == (1, 3, 4)
    assert best.y == expected


def test_a_slice_has_the_points_that_have_the_axis_and_a_scale_that_fits_it():
    found = slices(POINTS, MAX)
    assert list(found) == ["mu", "kind", "momentum"]
    assert [accepted(figure).layout.xaxis.type for figure in found.values()] == ["log", "category", "linear"]
    assert accepted(found["momentum"]).data[0].y == (0.8,)
    assert accepted(found["kind"]).data[0].x == ("sgd", "sgd", '{"w": [1]}')


def test_several_seeds_have_a_band():
    (marks,) = accepted(slices([point(1, 0.5, deviations=(0.1,), mu=1.0)], MAX)["mu"]).data
    assert marks.error_y.array == (0.1,)
    assert accepted(search_history(POINTS, MAX)).data[0].error_y.array is None


def test_points_that_are_not_beaten_are_joined():
    beaten, front = accepted(pareto_front(POINTS, [MAX, MIN], optimal=[1, 3])).data
    assert (beaten.x, beaten.y) == ((0.6,), (40.0,))
    assert (front.x, front.y, front.mode) == ((0.5, 0.8), (10.0, 30.0), "lines+markers")


def test_the_axis_that_explains_most_is_on_top():
    (bars,) = accepted(importance_bars({"mu": 0.7, "h": 0.3})).data
    assert bars.y[-1] == "mu"


def test_where_nothing_is_known_nothing_is_drawn():
    none = [point(1, mu=0.1)]
    assert search_history(none, MAX)["data"] == pareto_front(none, [MAX, MIN], optimal=[])["data"] == []
    assert slices(none, MAX) == {}
    assert importance_bars({})["data"] == []


def test_thousands_of_points_are_drawn_by_webgl():
    many = [point(number, float(number), mu=float(number)) for number in range(1, 3000)]
    assert search_history(many, MAX)["data"][0]["type"] == "scattergl"
