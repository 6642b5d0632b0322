"""Tables and figures against numbers written out by hand."""

from __future__ import annotations

import csv
import dataclasses
import io
import statistics
from pathlib import Path

import plotly.graph_objects
import pytest

from heron_ray.figures import bands, heat_maps
from heron_ray.figures.curve import Curve
from heron_ray.studies import expand
from heron_ray.studies.drawing import draw
from heron_ray.studies.report import write_report
from heron_ray.studies.table import ACCURACIES, Row, cells_csv, groups_of, rows_of, summary_csv
from tests.studies.conftest import MakeStudy

SCORES = {
    ("none", "mean"): (0.9, 0.8),
    ("flip", "mean"): (0.1, 0.2),
    ("none", "krum"): (0.7, 0.5),
    ("flip", "krum"): (0.6, 0.7),
}


def row(attack: str, rule: str, seed: int, score: float | None, state: str = "SUCCEEDED") -> Row:
    accuracies = {name: score if score is None or "auxiliary" not in name else score / 2 for name in ACCURACIES}
    labels = {"attack": attack, "rule": rule, "clients": "6", "seed": str(seed)}
    return Row(labels=labels, state=state, accuracies=accuracies, plain={"state": state, **accuracies})


ROWS = [row(attack, rule, seed, score) for (attack, rule), scores in SCORES.items() for seed, score in enumerate(scores)]


def test_a_group_is_the_seeds_of_a_cell() -> None:
    groups = groups_of(ROWS)
    assert len(groups) == 4
    spread = groups[0].spreads["test_accuracy"]
    assert spread is not None
    assert (spread.mean, spread.low, spread.high, spread.seeds) == (pytest.approx(0.85), 0.8, 0.9, 2)
    assert spread.deviation == pytest.approx(statistics.stdev((0.9, 0.8)))


def test_the_worst_case_is_the_lowest_mean_over_the_axis_and_is_named(make_study: MakeStudy) -> None:
    study = make_study()
    figure = draw(study, study.figures[0], groups_of(ROWS))
    plotly.graph_objects.Figure(figure)
    server, auxiliary = figure["data"]
    assert server["y"] == ["mean", "krum"]
    assert server["z"] == [[pytest.approx(0.15)], [pytest.approx(0.6)]]
    assert auxiliary["z"] == [[pytest.approx(0.075)], [pytest.approx(0.3)]]
    assert server["text"][0][0] == "15.0%<br>(10.0% - 20.0%)<br>flip"
    assert server["text"][1][0] == "60.0%<br>(50.0% - 70.0%)<br>none"


def test_a_cell_that_cannot_be_and_one_that_has_not_been_run_are_told_apart(make_study: MakeStudy) -> None:
    study = make_study()
    rows = [
        row("none", "mean", 0, None, "NOT_RUN"),
        row("none", "krum", 0, None, "IMPOSSIBLE"),
        row("flip", "krum", 0, None, "IMPOSSIBLE"),
    ]
    server = draw(study, study.figures[0], groups_of(rows))["data"][0]
    assert server["z"] == [[None], [None]]
    assert server["text"] == [[""], ["impossible"]]


def test_curves_run_over_the_rounds_and_a_seed_that_ended_early_leaves_the_others(make_study: MakeStudy) -> None:
    study = make_study(figures=[{"kind": "curves", "lines": "rule"}])
    whole: Curve = {"rounds": [10, 20, 400], "values": [0.2, 0.4, 0.8]}
    short: Curve = {"rounds": [10], "values": [0.4]}
    rows = [
        dataclasses.replace(row("none", "mean", seed, 0.8), curves={"test_accuracy": curve})
        for seed, curve in enumerate((whole, short))
    ]
    figure = draw(study, study.figures[0], groups_of([*rows, row("none", "krum", 0, None, "NOT_RUN")]))
    plotly.graph_objects.Figure(figure)
    low, high, mean = figure["data"]
    assert mean["name"] == "mean"
    assert mean["x"] == [10, 20, 400]
    assert mean["y"] == [pytest.approx(0.3), 0.4, 0.8]
    assert (low["y"], high["y"]) == ([0.2, 0.4, 0.8], [0.4, 0.4, 0.8])
    assert figure["layout"]["xaxis"]["type"] == "linear"


def test_a_figure_of_curves_without_a_curve_is_empty(make_study: MakeStudy) -> None:
    study = make_study(figures=[{"kind": "curves", "lines": "rule"}])
    assert draw(study, study.figures[0], groups_of(ROWS))["data"] == []


def test_bands_run_from_the_lowest_seed_to_the_highest_along_the_axis(make_study: MakeStudy) -> None:
    study = make_study(figures=[{"kind": "bands", "x": "attack", "lines": "rule"}])
    figure = draw(study, study.figures[0], groups_of(ROWS))
    plotly.graph_objects.Figure(figure)
    lines = {trace["name"]: trace for trace in figure["data"] if trace.get("name") and trace["xaxis"] == "x"}
    assert lines["mean"]["x"] == ["none", "flip"]
    assert lines["mean"]["y"] == [pytest.approx(0.85), pytest.approx(0.15)]
    low, high = figure["data"][:2]
    assert (low["y"], high["y"], high["fill"]) == ([0.8, 0.1], [0.9, 0.2], "tonexty")


def test_numbers_over_decades_stand_on_a_logarithmic_axis_and_words_side_by_side() -> None:
    band = {"mean": [0.1, 0.2], "low": [0.1, 0.2], "high": [0.1, 0.2]}
    kinds = [
        bands([[{"title": "t", "x": x, "lines": {"a": band}}]], title="", x="")["layout"]["xaxis"]["type"]
        for x in (["0.1", "100"], ["1", "2"], ["-1", "100"], ["a", "b"])
    ]
    assert kinds == ["log", "linear", "linear", "category"]


def test_panels_do_not_overlap() -> None:
    one = {"title": "t", "rows": ["a"], "columns": ["b"], "values": [[0.5]], "texts": [[""]]}
    layout = heat_maps([[one] * 3, [one] * 3], title="t", rows="r", columns="c")["layout"]
    numbers = ["", "2", "3", "4", "5", "6"]
    boxes = [(layout[f"xaxis{number}"]["domain"], layout[f"yaxis{number}"]["domain"]) for number in numbers]
    for number, (x, y) in enumerate(boxes):
        for other_x, other_y in boxes[:number]:
            assert x[1] <= other_x[0] or other_x[1] <= x[0] or y[1] <= other_y[0] or other_y[1] <= y[0]
    assert boxes[0][1][0] > boxes[3][1][1], "the first row is on top"
    assert [layout[f"xaxis{number}"]["title"]["text"] for number in numbers] == ["", "", "", "c", "c", "c"]


def test_tables_hold_every_cell_and_every_spread() -> None:
    cells = list(csv.DictReader(io.StringIO(cells_csv(ROWS))))
    assert len(cells) == 8
    assert float(cells[1]["test_accuracy"]) == 0.8
    summary = list(csv.DictReader(io.StringIO(summary_csv(groups_of(ROWS)))))
    assert [line["states"] for line in summary] == ["SUCCEEDED:2"] * 4
    assert float(summary[2]["auxiliary_test_accuracy_mean"]) == pytest.approx(0.15 / 2) or summary[2]["rule"] == "krum"


def test_a_report_is_two_tables_and_a_page_and_json_per_figure(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study()
    files = write_report(study, ROWS, tmp_path / "out")
    assert [path.name for path in files] == [
        "cells.csv", "summary.csv", "figure-1-worst_case.json", "figure-1-worst_case.html",
    ]  # fmt: skip
    assert all(path.stat().st_size > 0 for path in files)


def test_a_method_that_trains_no_auxiliary_head_has_no_auxiliary_accuracy(make_study: MakeStudy) -> None:
    cells = expand(make_study(given={"method.kind": "frozen_client"}, seeds=[0]), {"attack": ["none"], "rule": ["mean"]})
    result = dict.fromkeys(("validation_accuracy", "auxiliary_validation_accuracy", "test_accuracy", "auxiliary_accuracy"), 0.5)
    (one,) = rows_of(cells, {cells[0].key or "": {"state": "SUCCEEDED", "result": result, "message": None}})
    assert one.accuracies == {
        "validation_accuracy": 0.5,
        "auxiliary_validation_accuracy": None,
        "test_accuracy": 0.5,
        "auxiliary_test_accuracy": None,
    }
