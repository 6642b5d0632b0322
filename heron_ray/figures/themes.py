"""Plotly templates for light and dark ground: what surrounds the data, never the data's own colours."""

from __future__ import annotations

from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'


def themes() -> dict[str, dict[str, Any]]:
    """The templates by name, `light` and `dark`; put one at `layout.template`."""
    return {
        "light": _template(text="#3c4650", grid="#e4e8ec", axis="#c3cad1", ground="#ffffff"),
        "dark": _template(text="#b6c0ca", grid="#2a323b", axis="#45505b", ground="#171c22"),
    }


def _template(*, text: str, grid: str, axis: str, ground: str) -> dict[str, Any]:
    lines = {"gridcolor": grid, "linecolor": axis, "zerolinecolor": axis, "tickcolor": axis, "automargin": True}
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": text},
            "margin": {"l": 56, "r": 12, "t": 4, "b": 36},
            "xaxis": {**lines, "title": {"standoff": 6}},
            "yaxis": lines,
            "hoverlabel": {"bgcolor": ground, "bordercolor": axis, "font": {"color": text}},
            "annotationdefaults": {"bgcolor": ground, "borderpad": 1},
            "legend": {"font": {"size": 11}},
        },
    }
