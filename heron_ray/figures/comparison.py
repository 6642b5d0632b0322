"""The figures of several experiments side by side: accuracy and loss against rounds, accuracy against what was sent."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from heron_ray.figures.accuracy import accuracy_curves
from heron_ray.figures.curve import COLOURS, Curve, line

_TIME = "simulated_time_s"


def comparison_figures(runs: Mapping[str, Mapping[str, Curve]]) -> dict[str, dict[str, Any]]:
    """The figures of several experiments by name; one colour per experiment in all of them.

    `accuracy` and `losses` are those of the main server on the test split, against rounds (`accuracy` has the auxiliary heads,
    too). `accuracy_by_bytes` draws the same accuracy against the bytes that clients and servers had sent by then, both ways
    together; `accuracy_by_time`, where an experiment simulates devices, against simulated seconds.

    Args:
        runs: Name of a run to its series by name, as `GET /v1/experiments/{id}/series` gives them.

    Returns:
        Plotly figures as plain JSON values. A run without the series that a figure needs adds no line to it.

    Example:
        >>> curve = {"rounds": [2], "values": [0.5]}
        >>> sent = {"rounds": [1, 2], "values": [100, 100]}
        >>> figures = comparison_figures({"heron": {"test_accuracy": curve, "bytes_up": sent, "bytes_down": sent}})
        >>> figures["accuracy_by_bytes"]["data"][0]["x"]
        [400]
    """
    losses = {
        name: (series["test_loss"]["rounds"], series["test_loss"]) for name, series in runs.items() if "test_loss" in series
    }
    figures = {
        "accuracy": accuracy_curves(runs),
        "losses": _figure(
            losses,
            runs,
            x={"title": {"text": "round"}, "rangemode": "tozero"},
            y={"title": {"text": "test loss (nats)"}, "rangemode": "tozero"},
        ),
        "accuracy_by_bytes": _accuracies_by(
            {name: sent for name, series in runs.items() if (sent := _sent(series))},
            runs,
            {"title": {"text": "bytes sent"}, "tickformat": ".3~s", "ticksuffix": "B"},
        ),
    }
    times = {
        name: dict(zip(series[_TIME]["rounds"], series[_TIME]["values"], strict=True))
        for name, series in runs.items()
        if _TIME in series
    }
    if times:
        figures["accuracy_by_time"] = _accuracies_by(times, runs, {"title": {"text": "simulated time (s)"}})
    return figures


def _accuracies_by(
    reached: Mapping[str, Mapping[int, float | None]], runs: Mapping[str, Mapping[str, Curve]], x: Mapping[str, Any]
) -> dict[str, Any]:
    """Test accuracy against what had been reached by its round."""
    curves = {}
    for name, places in reached.items():
        curve = runs[name].get("test_accuracy", {"rounds": (), "values": ()})
        curves[name] = [places.get(round) for round in curve["rounds"]], curve
    y = {"title": {"text": "test accuracy"}, "range": [0, 1], "tickformat": ".0%"}
    return _figure(curves, runs, x={**x, "rangemode": "tozero"}, y=y)


def _sent(series: Mapping[str, Curve]) -> dict[int, float | None]:
    """By round: the bytes of both directions so far."""
    ways = [series[name] for name in ("bytes_up", "bytes_down") if name in series]
    if not ways:
        return {}
    values = [sum(value or 0 for value in both) for both in zip(*(way["values"] for way in ways), strict=True)]
    return dict(zip(ways[0]["rounds"], itertools.accumulate(values), strict=True))


def _figure(
    curves: Mapping[str, tuple[Sequence[float | None], Curve]],
    runs: Mapping[str, Any],
    *,
    x: Mapping[str, Any],
    y: Mapping[str, Any],
) -> dict[str, Any]:
    """Curves by name, each with its places along x."""
    colours = dict(zip(runs, itertools.cycle(COLOURS), strict=False))
    traces = [
        {**line(name, curve, colours[name]), "x": list(places)} for name, (places, curve) in curves.items() if curve["values"]
    ]
    layout = {"xaxis": dict(x), "yaxis": dict(y), "template": "plotly_white", "showlegend": True}
    return {"data": traces, "layout": layout}
