"""How a sweep's search went: history, slices, importance, Pareto set. Points in, Plotly figures out, as plain JSON values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from heron_ray.figures.sweep import BEST, WIDE

POINT = "#56789A"
MUTED = "#8C97A3"
# More points than this are drawn by WebGL, which scatters thousands at once.
MANY = 2000


class Point(TypedDict):
    """One point of a sweep: what it overrides, its mean over seeds for each objective and its standard deviation.

    None stands for means that are not known yet.
    """

    number: int
    overrides: Mapping[str, Any]
    means: Sequence[float] | None
    deviations: Sequence[float] | None


class Objective(TypedDict):
    """What points are compared by: a text for people, and which way is better."""

    label: str
    direction: Literal["max", "min"]


def search_history(points: Sequence[Point], objective: Objective, index: int = 0) -> dict[str, Any]:
    """Every point's mean in the order in which they were proposed, and the best one so far.

    Args:
        points: The points of one sweep; those without means are left out.
        objective: What is drawn.
        index: Its place among the means.

    Example:
        >>> points = [Point(number=n, overrides={}, means=[m], deviations=[0.0]) for n, m in ((1, 0.5), (2, 0.4), (3, 0.7))]
        >>> search_history(points, Objective(label="max validation_accuracy", direction="max"))["data"][1]["y"]
        [0.5, 0.5, 0.7]
    """
    known = _known(points)
    numbers = [point["number"] for point in known]
    values = [_mean(point, index) for point in known]
    best = list(itertools.accumulate(values, max if objective["direction"] == "max" else min))
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": numbers,
        "y": best,
        "line": {"color": BEST, "width": 2, "shape": "hv"},
    }
    layout = {"xaxis": {"title": {"text": "point"}}, "yaxis": {"title": {"text": objective["label"]}}}
    return {"data": [_marks(known, numbers, values, index), line] if known else [], "layout": layout}


def slices(points: Sequence[Point], objective: Objective, index: int = 0) -> dict[str, dict[str, Any]]:
    """One figure per axis, by its path: each point's mean over the value that it has there."""
    known = _known(points)
    paths = list(dict.fromkeys(path for point in known for path in point["overrides"]))
    found = {}
    for path in paths:
        there = [point for point in known if path in point["overrides"]]
        raw = [point["overrides"][path] for point in there]
        is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in raw)
        places = raw if is_number else [value if isinstance(value, str) else json.dumps(value) for value in raw]
        axis: dict[str, Any] = {"title": {"text": path}, "type": "linear" if is_number else "category"}
        if is_number and min(raw) > 0 and max(raw) / min(raw) > WIDE:
            axis["type"] = "log"
        marks = _marks(there, places, [_mean(point, index) for point in there], index)
        found[path] = {"data": [marks], "layout": {"xaxis": axis, "yaxis": {"title": {"text": objective["label"]}}}}
    return found


def importance_bars(importances: Mapping[str, float]) -> dict[str, Any]:
    """One bar per axis, the one that explains most on top.

    Args:
        importances: Shares of 1 by dotted path, the largest first.
    """
    paths = list(importances)[::-1]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [importances[path] for path in paths],
        "y": paths,
        "marker": {"color": POINT},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "share of the spread explained"}, "tickformat": ".0%", "range": [0, 1]},
        "yaxis": {"automargin": True},
    }
    return {"data": [bars] if paths else [], "layout": layout}


def pareto_front(points: Sequence[Point], objectives: Sequence[Objective], *, optimal: Sequence[int]) -> dict[str, Any]:
    """The first two objectives against each other; points that no other one beats are joined by a line of steps.

    Args:
        points: The points of one sweep; those without means are left out.
        objectives: At least two.
        optimal: The numbers of the points that are not beaten.
    """
    known = _known(points)
    front = sorted((point for point in known if point["number"] in set(optimal)), key=lambda point: _mean(point, 0))
    others = [point for point in known if point["number"] not in set(optimal)]
    data = []
    for name, some, colour in (("beaten", others, MUTED), ("not beaten", front, BEST)):
        if some:
            marks = _marks(some, [_mean(point, 0) for point in some], [_mean(point, 1) for point in some], 1)
            marks |= {"name": name, "marker": {"color": colour, "size": 8}}
            data.append(marks)
    if len(front) > 1 and len(objectives) == 2:
        data[-1] |= {"mode": "lines+markers", "line": {"color": BEST, "width": 1.5}}
    x, y = ({"title": {"text": objective["label"]}} for objective in objectives[:2])
    return {"data": data, "layout": {"xaxis": x, "yaxis": y}}


def _known(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point["means"] is not None]


def _mean(point: Point, index: int) -> float:
    means = point["means"]
    return 0.0 if means is None else means[index]


def _marks(points: Sequence[Point], x: Sequence[Any], y: Sequence[float], index: int) -> dict[str, Any]:
    """Points with what they are as text, and a band of one standard deviation where they have several seeds."""
    deviations = [(point["deviations"] or (0.0,) * (index + 1))[index] for point in points]
    marks: dict[str, Any] = {
        "type": "scattergl" if len(points) > MANY else "scatter",
        "mode": "markers",
        "name": "points",
        "x": list(x),
        "y": list(y),
        "text": [f"<b>point {point['number']}</b><br>{_values(point)}" for point in points],
        "hovertemplate": "%{text}<br>%{y:.5g}<extra></extra>",
        "marker": {"color": POINT, "size": 7},
    }
    if any(deviations):
        marks["error_y"] = {"type": "data", "array": deviations, "visible": True, "thickness": 1}
    return marks


def _values(point: Point) -> str:
    return "<br>".join(f"{path}: {value}" for path, value in point["overrides"].items())
