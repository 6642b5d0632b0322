"""Accuracy of server and auxiliary head against rounds, for one run or several side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from heron_ray.figures.curve import COLOURS, Curve, line


def accuracy_curves(
    runs: Mapping[str, Mapping[str, Curve]], *, split: Literal["test", "validation"] = "test", title: str = "Accuracy"
) -> dict[str, Any]:
    """One colour per run: a solid line for the server's accuracy, a dashed one for the auxiliary head's.

    Args:
        runs: Name of a run to its series by name, as `GET /v1/experiments/{id}/series` gives them.
        split: Which samples the accuracy was measured on.
        title: Heading of the figure.

    Returns:
        A Plotly figure as plain JSON values. A run without such a series adds no line.

    Example:
        >>> figure = accuracy_curves({"heron": {"test_accuracy": {"rounds": [10, 20], "values": [0.5, 0.9]}}})
        >>> [trace["name"] for trace in figure["data"]]
        ['heron, server']
    """
    parts = (("server", f"{split}_accuracy", "solid"), ("auxiliary head", f"auxiliary_{split}_accuracy", "dash"))
    traces = [
        line(f"{name}, {part}", series[key], COLOURS[number % len(COLOURS)], dash=dash)
        for number, (name, series) in enumerate(runs.items())
        for part, key, dash in parts
        if key in series
    ]
    layout = {
        "title": {"text": title},
        "xaxis": {"title": {"text": "round"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"{split} accuracy"}, "range": [0, 1], "tickformat": ".0%"},
        "hovermode": "x unified",
        "template": "plotly_white",
    }
    return {"data": traces, "layout": layout}
