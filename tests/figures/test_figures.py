import re
import subprocess
import sys

import plotly.graph_objects
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_ray.figures import accuracy_curves, experiment_figures, parallel_coordinates, privacy_tradeoff, themes, write_html
from heron_ray.figures.curve import thin

RUNS = {
    "heron": {
        "test_accuracy": {"rounds": [10, 20], "values": [0.5, 0.9]},
        "auxiliary_test_accuracy": {"rounds": [10, 20], "values": [0.4, None]},
        "validation_accuracy": {"rounds": [10], "values": [0.3]},
        "client_loss": {"rounds": [1, 2], "values": [2.0, 1.0]},
    },
    "frozen_client": {"test_accuracy": {"rounds": [10], "values": [0.2]}},
}


def test_accuracy_curves_are_a_figure_that_plotly_accepts() -> None:
    figure = plotly.graph_objects.Figure(accuracy_curves(RUNS))
    assert [trace.name for trace in figure.data] == ["heron, server", "heron, auxiliary head", "frozen_client, server"]
    assert figure.data[0].x == (10, 20)
    assert figure.data[0].y == (0.5, 0.9)


def test_a_value_that_was_not_finite_leaves_a_gap() -> None:
    assert accuracy_curves(RUNS)["data"][1]["y"] == [0.4, None]


def test_both_lines_of_a_run_share_its_colour_and_other_runs_have_another() -> None:
    server, auxiliary, other = [trace["line"] for trace in accuracy_curves(RUNS)["data"]]
    assert server["color"] == auxiliary["color"] != other["color"]
    assert server["dash"] != auxiliary["dash"]


def test_the_split_decides_which_series_is_drawn() -> None:
    figure = accuracy_curves(RUNS, split="validation")
    assert [trace["y"] for trace in figure["data"]] == [[0.3]]
    assert figure["layout"]["yaxis"]["title"]["text"] == "validation accuracy"


def test_a_page_holds_the_data_and_plotly_itself_and_loads_nothing(tmp_path) -> None:
    page = tmp_path / "new" / "accuracy.html"
    write_html(accuracy_curves(RUNS), page)
    text = page.read_text(encoding="utf-8")
    assert "heron, auxiliary head" in text
    assert len(text) > 1_000_000, "plotly.js is not inside"
    assert re.findall(r"<(?:script|link)[^>]*\s(?:src|href)=", text) == []
    assert [path.name for path in page.parent.iterdir()] == ["accuracy.html"]


def test_a_figure_that_plotly_cannot_draw_is_refused_and_writes_nothing(tmp_path) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        write_html({"data": [{"type": "nonsense"}]}, tmp_path / "accuracy.html")
    assert list(tmp_path.iterdir()) == []


def test_figures_are_laid_out_without_torch_or_plotly() -> None:
    code = "import sys, heron_ray.figures; print(sorted({'torch', 'plotly', 'numpy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_figures_of_an_experiment_are_ones_that_plotly_accepts_in_both_themes() -> None:
    for template in themes().values():
        for figure in experiment_figures(RUNS["heron"]).values():
            plotly.graph_objects.Figure({**figure, "layout": {**figure["layout"], "template": template}})


def test_a_trace_of_an_experiment_names_its_series_for_live_updates() -> None:
    traces = experiment_figures({**RUNS["heron"], "bytes_up": {"rounds": [1, 2, 3], "values": [5, 5, 5]}})
    assert [trace["meta"] for trace in traces["losses"]["data"]] == [{"series": "client_loss"}]
    (sent,) = traces["bytes"]["data"]
    assert sent["meta"] == {"series": "bytes_up", "total": True}
    assert sent["y"] == [5, 10, 15]


@given(st.lists(st.none() | st.floats(-9, 9), min_size=1, max_size=400), st.integers(6, 60))
def test_a_thinned_curve_is_short_and_keeps_its_ends_its_peak_and_its_dip(values, limit) -> None:
    curve = {"rounds": list(range(len(values))), "values": values}
    thinned = thin(curve, limit)
    points = list(zip(thinned["rounds"], thinned["values"], strict=True))
    assert len(points) <= limit
    assert points == sorted(points, key=lambda point: point[0])
    assert set(thinned["rounds"]) >= {0, len(values) - 1}
    assert all(values[round] is value for round, value in points)
    finite = [value for value in values if value is not None]
    kept = [value for value in thinned["values"] if value is not None]
    assert (min(kept, default=None), max(kept, default=None)) == (min(finite, default=None), max(finite, default=None))


def trial(number, accuracy, **overrides):
    return {"number": number, "overrides": overrides, "validation_accuracy": accuracy, "test_accuracy": accuracy}


def lines(figure):
    """Every line as its heights, whatever trace it is in."""
    heights = [height for trace in figure["data"] for height in trace["y"]]
    width = len(figure["layout"]["xaxis"]["tickvals"]) + 1
    return sorted(tuple(heights[start : start + width - 1]) for start in range(0, len(heights), width))


def test_parallel_coordinates_draw_every_measured_trial_and_plotly_accepts_them() -> None:
    trials = [trial(1, 0.2, mu=1e-4), trial(2, 0.6, mu=1e-3), trial(3, 0.4, mu=1e-2), trial(4, None, mu=0.1)]
    figure = parallel_coordinates(trials, best=2)
    plotly.graph_objects.Figure(figure)
    rounded = [tuple(round(height, 6) for height in line) for line in lines(figure)]
    assert rounded == [(0.0, 0.0, 0.0), (0.5, 1.0, 1.0), (1.0, 0.5, 0.5)]


def test_the_best_trial_is_a_trace_of_its_own_drawn_last() -> None:
    figure = parallel_coordinates([trial(1, 0.9, h=1), trial(2, 0.1, h=2), trial(3, 0.9, h=3)], best=1)
    assert [trace["name"] for trace in figure["data"]].count("best") == 1
    assert figure["data"][-1]["name"] == "best"
    assert "<b>trial 1</b>" in figure["data"][-1]["text"][0]


def test_values_that_are_no_numbers_get_a_place_each() -> None:
    figure = parallel_coordinates([trial(1, 0.1, kind="a"), trial(2, 0.2, kind="b"), trial(3, 0.3, kind={"w": [1]})])
    assert [mark["text"] for mark in figure["layout"]["annotations"] if mark["x"] == 0] == ["a", "b", '{"w": [1]}']


def test_a_sweep_of_thousands_of_trials_is_a_handful_of_traces() -> None:
    figure = parallel_coordinates([trial(number, number / 5000, mu=1.0 + number) for number in range(1, 5000)], best=7)
    assert len(figure["data"]) <= 8


def test_a_sweep_without_a_measured_trial_has_nothing_to_draw() -> None:
    assert parallel_coordinates([trial(1, None, mu=0.1)])["data"] == []


def test_a_privacy_figure_leaves_out_what_a_run_has_no_figure_of() -> None:
    whole = {"label": "no noise", "accuracy": 0.9, "psnr_db": 14.0, "distance_correlation": 0.5}
    lines = {"heron": [whole, {**whole, "psnr_db": None}], "sflv2": [{**whole, "accuracy": None}]}
    figure = plotly.graph_objects.Figure(privacy_tradeoff(lines))
    assert [(trace.name, trace.x, trace.y) for trace in figure.data] == [
        ("heron", (14.0,), (0.9,)),
        ("sflv2", (), ()),
        ("heron", (0.5, 0.5), (0.9, 0.9)),
        ("sflv2", (), ()),
    ]
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]
