"""Runs over one another: groups, bands, smoothing, other axes."""

import math

import plotly.graph_objects
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_ray.figures import Run, overlay
from heron_ray.figures.overlay import smoothed
from heron_ray.figures.places import at, placed


def run(group, *values, places=None, label="run"):
    return Run(
        label=label, group=group, curve={"rounds": list(range(1, len(values) + 1)), "values": list(values)}, places=places
    )


def test_seeds_become_a_mean_with_a_band_from_the_lowest_to_the_highest():
    low, high, mean = overlay([run("a", 0.2, 0.4), run("a", 0.4, 0.8)], series="test_accuracy")["data"]
    assert (low["y"], high["y"]) == ([0.2, 0.4], [0.4, 0.8])
    assert mean["y"] == pytest.approx([0.3, 0.6])
    assert high["fill"] == "tonexty"
    assert mean["name"] == "a (mean of 2)"


def test_ungrouped_every_run_is_a_line_of_its_own_style():
    runs = [run("a", 0.1, label=str(number)) for number in range(24)]
    drawn = overlay(runs, series="test_accuracy", grouped=False)["data"]
    assert [trace["name"] for trace in drawn] == [str(number) for number in range(24)]
    assert len({(trace["line"]["color"], trace["line"]["dash"]) for trace in drawn}) == 24


def test_on_another_axis_points_stand_where_their_rounds_do_and_a_band_at_their_mean():
    places = [{"rounds": [1, 2], "values": [10.0, 20.0]}, {"rounds": [1, 2], "values": [30.0, 40.0]}]
    runs = [run("a", 0.2, 0.4, places=places[0]), run("a", 0.4, 0.8, places=places[1])]
    assert overlay(runs, series="s", x="bytes")["data"][2]["x"] == [20.0, 30.0]
    assert [trace["x"] for trace in overlay(runs, series="s", x="bytes", grouped=False)["data"]] == [[10.0, 20.0], [30.0, 40.0]]


def test_what_has_no_place_is_left_out_and_a_run_without_the_series_adds_no_line():
    nowhere = {"rounds": [], "values": []}
    assert overlay([run("a", 0.2, places=nowhere)], series="s", x="wall_time")["data"][0]["x"] == []
    assert overlay([run("a")], series="s")["data"] == []


def test_a_figure_with_every_choice_is_one_that_plotly_accepts():
    runs = [run("a", 0.2, None, 0.4), run("a", 0.3, 0.5), run("b", 1.0)]
    figure = overlay(runs, series="test_accuracy", smoothing=0.9, log_x=True, log_y=True)
    assert plotly.graph_objects.Figure(figure).layout.xaxis.type == "log"
    assert figure["layout"]["yaxis"]["tickformat"] == ".0%"


values = st.lists(st.none() | st.floats(-1e6, 1e6), max_size=30)


@given(values, st.floats(0, 0.99))
def test_smoothing_follows_its_formula_and_stays_between_the_lowest_and_the_highest(found, weight):
    curve = {"rounds": list(range(len(found))), "values": found}
    smooth = smoothed(curve, weight)["values"]
    assert [value is None for value in smooth] == [value is None for value in found]
    known = [value for value in found if value is not None]
    for count, value in enumerate((value for value in smooth if value is not None), start=1):
        weights = [(1 - weight) * weight ** (count - 1 - place) for place in range(count)]
        wanted = math.fsum(w * y for w, y in zip(weights, known, strict=False)) / math.fsum(weights)
        assert value == pytest.approx(wanted, rel=1e-6, abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(-1e6, 1e6)), min_size=1, unique_by=lambda pair: pair[0]))
def test_a_curve_is_where_its_points_are_and_nowhere_outside(pairs):
    pairs.sort()
    curve = {"rounds": [round for round, _ in pairs], "values": [value for _, value in pairs]}
    assert [at(curve, round) for round, _ in pairs] == [value for _, value in pairs]
    assert at(curve, pairs[0][0] - 1) is None
    assert at(curve, pairs[-1][0] + 1) is None
    assert placed(curve, None) == ([float(round) for round, _ in pairs], curve["values"])
