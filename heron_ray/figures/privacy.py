"""Accuracy against leakage: one line per method, one point per noise multiplier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict

from heron_ray.figures.curve import COLOURS

_PANELS: Final[tuple[tuple[str, Literal["psnr_db", "distance_correlation"]], ...]] = (
    ("", "psnr_db"),
    ("2", "distance_correlation"),
)


class Tradeoff(TypedDict):
    """One point; None where a run ended without that figure. `psnr_db` is an inversion attack's."""

    label: str
    accuracy: float | None
    psnr_db: float | None
    distance_correlation: float | None


def privacy_tradeoff(lines: Mapping[str, Sequence[Tradeoff]], *, title: str = "Accuracy against leakage") -> dict[str, Any]:
    """Two panels on one axis of accuracies: over the PSNR of an inversion attack, and over distance correlation.

    Args:
        lines: Name to points, in the order in which they are joined. A point that lacks a figure is left out of its panel.
        title: Heading of the figure.

    Returns:
        A Plotly figure as plain JSON values.

    Example:
        >>> point = {"label": "no noise", "accuracy": 0.9, "psnr_db": 14.0, "distance_correlation": 0.5}
        >>> [trace["x"] for trace in privacy_tradeoff({"heron": [point]})["data"]]
        [[14.0], [0.5]]
    """
    traces = []
    for panel, key in _PANELS:
        for number, (name, points) in enumerate(lines.items()):
            shown = [point for point in points if point["accuracy"] is not None and point[key] is not None]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": name,
                    "legendgroup": name,
                    "showlegend": panel == "",
                    "x": [point[key] for point in shown],
                    "y": [point["accuracy"] for point in shown],
                    "text": [point["label"] for point in shown],
                    "hovertemplate": "%{text}: %{y:.3f} at %{x:.3f}<extra></extra>",
                    "line": {"color": COLOURS[number % len(COLOURS)], "width": 2.0},
                    "xaxis": f"x{panel}",
                    "yaxis": "y",
                }
            )
    layout = {
        "title": {"text": title},
        "xaxis": {"title": {"text": "inversion's PSNR, dB"}, "domain": [0, 0.47]},
        "xaxis2": {"title": {"text": "distance correlation"}, "domain": [0.53, 1]},
        "yaxis": {"title": {"text": "test accuracy"}, "tickformat": ".0%"},
    }
    return {"data": traces, "layout": layout}
