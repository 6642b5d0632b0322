from __future__ import annotations

import plotly.graph_objects

from heron_ray.figures import accuracy_curves, comparison_figures, for_paper, heat_maps, parallel_coordinates

CURVE = {"rounds": [2, 4], "values": [0.5, 0.9]}
EVERY = {"rounds": [1, 2, 3, 4], "values": [10, 10, 10, 10]}
RUNS = {
    "heron": {"test_accuracy": CURVE, "test_loss": CURVE, "bytes_up": EVERY, "bytes_down": EVERY, "simulated_time_s": EVERY},
    "cse_fsl": {"test_accuracy": CURVE, "bytes_up": EVERY},
    "empty": {},
}


def test_a_comparison_draws_accuracy_against_the_bytes_sent_by_then() -> None:
    figures = comparison_figures(RUNS)
    assert list(figures) == ["accuracy", "losses", "accuracy_by_bytes", "accuracy_by_time"]
    both, one_way = figures["accuracy_by_bytes"]["data"]
    assert (both["x"], both["y"]) == ([40, 80], [0.5, 0.9])
    assert one_way["x"] == [20, 40]
    for figure in figures.values():
        plotly.graph_objects.Figure(figure)


def test_a_run_has_the_same_colour_in_every_figure_of_a_comparison() -> None:
    figures = comparison_figures(RUNS)
    colours = {trace["line"]["color"] for figure in figures.values() for trace in figure["data"] if "cse_fsl" in trace["name"]}
    assert len(colours) == 1


def test_without_simulated_devices_there_is_no_figure_of_time() -> None:
    assert "accuracy_by_time" not in comparison_figures({"cse_fsl": RUNS["cse_fsl"]})


def test_on_paper_a_single_panel_has_no_heading_white_ground_and_type_of_nine_points() -> None:
    figure = accuracy_curves(RUNS, title="Accuracy")
    printed = plotly.graph_objects.Figure(for_paper(figure))
    assert printed.layout.title.text is None
    assert (printed.layout.paper_bgcolor, printed.layout.plot_bgcolor) == ("#ffffff", "#ffffff")
    assert printed.layout.template.layout.font.size * 72 / 96 == 9
    assert (printed.layout.width, printed.layout.xaxis.title.text) == (528, "round")
    assert [trace.line.color for trace in printed.data] == [trace["line"]["color"] for trace in figure["data"]]
    assert figure["layout"]["title"] == {"text": "Accuracy"}, "the figure given is left as it was"


def test_on_paper_panels_keep_their_headings_and_get_more_room_the_more_there_are() -> None:
    panel = {"title": "main server", "rows": ["mean"], "columns": ["1"], "values": [[0.5]], "texts": [["50 %"]]}
    one, four = (for_paper(heat_maps([[panel] * n] * n, title="worst case", rows="r", columns="f"))["layout"] for n in (1, 2))
    assert "title" not in one
    assert "title" not in four, "a caption says it"
    assert [note["text"] for note in four["annotations"]] == ["main server"] * 4
    assert four["width"] > one["width"]
    assert four["height"] > one["height"]


def test_on_paper_parallel_coordinates_are_as_wide_as_their_axes_need_unless_told_otherwise() -> None:
    trial = {"number": 1, "overrides": {"a": 1, "b": 2, "c": 3}, "validation_accuracy": 0.5, "test_accuracy": 0.5}
    figure = parallel_coordinates([trial])
    assert for_paper(figure)["layout"]["width"] == 5 * 120
    assert for_paper(figure, width=400)["layout"]["width"] == 400
