"""A figure as it stands on paper: white ground, type of nine points at its natural size, no heading of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

FONT = 'Arial, Helvetica, "Liberation Sans", "DejaVu Sans", sans-serif'
# A CSS pixel is 1/96 inch: 12 of them are nine points, and 528 are the text width of a page with one column.
TYPE_PX = 12
WIDTH_PX, HEIGHT_PX = 528, 340
_PANEL_PX = (300, 260)
_AXIS_PX = 120
_INK, _GRID = "#222222", "#e3e6e9"


def for_paper(
    figure: Mapping[str, Any], *, width: int | None = None, height: int | None = None, type_px: int = TYPE_PX
) -> dict[str, Any]:
    """The same figure in the dress of a printed page.

    Its data, axes and colours stay. The heading is left out, since the caption says it; above a single panel stands the legend.

    Args:
        figure: A Plotly figure as plain JSON values.
        width: In CSS pixels of 1/96 inch; None: by what the figure holds.
        height: Likewise.
        type_px: Size of ordinary type in the same pixels.

    Returns:
        A new figure that says its width and height.

    Example:
        >>> printed = for_paper({"data": [], "layout": {"title": {"text": "Accuracy"}, "xaxis": {}}})
        >>> printed["layout"]["width"], "title" in printed["layout"]
        (528, False)
    """
    layout: dict[str, Any] = copy.deepcopy(dict(figure["layout"]))
    columns, rows = _panels(layout)
    wide, high = _natural_size(layout, columns, rows)
    layout |= {
        "template": _template(type_px),
        "width": width or wide,
        "height": height or high,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 60, "r": 14, "t": 24, "b": 48},
    }
    # What the caption says.
    layout.pop("title", None)
    if columns * rows == 1:
        layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
        if layout.get("xaxis", {}).get("side") == "top":
            layout["margin"]["t"] = 5 * type_px
    else:
        layout["margin"]["t"] = 3 * type_px
    for annotation in layout.get("annotations", []):
        annotation["font"] = {**annotation.get("font", {}), "size": type_px if columns * rows > 1 else type_px - 1}
    return {"data": copy.deepcopy(list(figure["data"])), "layout": layout}


def _panels(layout: Mapping[str, Any]) -> tuple[int, int]:
    """How many panels there are across and down."""

    def count(axis: str) -> int:
        domains = {tuple(value["domain"]) for name, value in layout.items() if name.startswith(axis) and "domain" in value}
        return max(len(domains), 1)

    return count("xaxis"), count("yaxis")


def _natural_size(layout: Mapping[str, Any], columns: int, rows: int) -> tuple[int, int]:
    if columns * rows > 1:
        return max(WIDTH_PX, columns * _PANEL_PX[0]), 100 + rows * _PANEL_PX[1]
    ticks = layout.get("xaxis", {}).get("ticktext")
    return (WIDTH_PX if ticks is None else max(WIDTH_PX, _AXIS_PX * len(ticks))), HEIGHT_PX


def _template(type_px: int) -> dict[str, Any]:
    axis = {
        "gridcolor": _GRID,
        "linecolor": _INK,
        "zerolinecolor": _GRID,
        "tickcolor": _INK,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
        "title": {"standoff": 6, "font": {"size": type_px}},
        "tickfont": {"size": type_px - 1},
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": type_px, "color": _INK},
            "title": {"font": {"size": type_px + 2}},
            "legend": {"font": {"size": type_px - 1}},
            "xaxis": axis,
            "yaxis": axis,
        }
    }
