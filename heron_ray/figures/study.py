"""The figures of a study: heat maps of what is left in the worst case, lines with bands over seeds; in a grid of panels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

from heron_ray.figures.curve import COLOURS, transparent

# From guessing to perfect; dark at both ends of lightness, so that it reads in grey, too.
SCALE = ((0.0, "#440154"), (0.25, "#3B528B"), (0.5, "#21918C"), (0.75, "#5EC962"), (1.0, "#FDE725"))
GAP = 0.08
# Positive numbers that span more than this factor are drawn on a logarithmic axis.
WIDE = 20.0


class HeatMap(TypedDict):
    """One map: `values[i][j]` from 0 to 1 belongs to row i and column j, None where there is none; `texts` is written there."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float | None]]
    texts: Sequence[Sequence[str]]


class Band(TypedDict):
    """One line: means, and the lowest and the highest of each; None leaves a gap."""

    mean: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]


class BandPanel(TypedDict):
    """Lines by name over the labels of one axis, or over rounds, which are numbers."""

    title: str
    x: Sequence[str] | Sequence[int]
    lines: Mapping[str, Band]


def heat_maps(grid: Sequence[Sequence[HeatMap]], *, title: str, rows: str, columns: str) -> dict[str, Any]:
    """Heat maps of accuracies side by side, on one scale from 0 to 1.

    Args:
        grid: Maps, row of panels by row of panels; all rows are equally long.
        title: Heading of the figure.
        rows: What the rows of every map are.
        columns: What their columns are.

    Returns:
        A Plotly figure as plain JSON values.

    Example:
        >>> one = {"title": "server", "rows": ["mean"], "columns": ["f = 2"], "values": [[0.1]], "texts": [["10.0 %"]]}
        >>> heat_maps([[one]], title="worst case", rows="rule", columns="f")["data"][0]["z"]
        [[0.1]]
    """
    traces, layout = [], _layout(title)
    for number, place, panel in _placed(grid):
        layout |= _axes(number, place)
        layout[f"xaxis{number}"] |= {"title": {"text": _below(place, columns)}, "type": "category"}
        layout[f"yaxis{number}"] |= {"title": {"text": rows}, "type": "category", "autorange": "reversed"}
        layout["annotations"].append(_heading(place, panel["title"]))
        traces.append(
            {
                "type": "heatmap",
                "x": list(panel["columns"]),
                "y": list(panel["rows"]),
                "z": [list(row) for row in panel["values"]],
                "text": [list(row) for row in panel["texts"]],
                "texttemplate": "%{text}",
                "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>",
                "zmin": 0,
                "zmax": 1,
                "colorscale": [list(stop) for stop in SCALE],
                "colorbar": {"tickformat": ".0%"},
                "showscale": number == "",
                "xaxis": f"x{number}",
                "yaxis": f"y{number}",
            }
        )
    return {"data": traces, "layout": layout}


def bands(grid: Sequence[Sequence[BandPanel]], *, title: str, x: str, rounds: bool = False) -> dict[str, Any]:
    """Mean accuracies against one axis, each with a band from its lowest to its highest value.

    Args:
        grid: Panels, row by row; all rows are equally long.
        title: Heading of the figure.
        x: What the axis is. Labels that are all positive numbers are places on it, on a logarithmic axis where they span a
            factor above 20; others stand side by side.
        rounds: The axis is rounds: panels have numbers on it, in even steps, and accuracies reach as far as they need.

    Returns:
        A Plotly figure as plain JSON values; a colour stands for the same name in every panel.

    Example:
        >>> band = {"mean": [0.5, 0.9], "low": [0.4, 0.8], "high": [0.6, 1.0]}
        >>> panel = {"title": "server", "x": ["0.1", "100"], "lines": {"heron": band}}
        >>> bands([[panel]], title="alpha", x="alpha")["layout"]["xaxis"]["type"]
        'log'
    """
    names = list(dict.fromkeys(name for row in grid for panel in row for name in panel["lines"]))
    traces: list[dict[str, Any]] = []
    layout = _layout(title)
    for number, place, panel in _placed(grid):
        places, kind = (panel["x"], "linear") if rounds else _scale(panel["x"])
        layout |= _axes(number, place)
        layout[f"xaxis{number}"] |= {"title": {"text": _below(place, x)}, "type": kind}
        # Curves begin low and need the room; where there is none yet the axis stays whole.
        reach = {"rangemode": "tozero"} if rounds and panel["x"] else {"range": [0, 1]}
        layout[f"yaxis{number}"] |= {"title": {"text": "accuracy"}, "tickformat": ".0%", **reach}
        layout["annotations"].append(_heading(place, panel["title"]))
        for name, band in panel["lines"].items():
            colour = COLOURS[names.index(name) % len(COLOURS)]
            for trace in _band(name, places, band, colour):
                traces.append(
                    {**trace, "xaxis": f"x{number}", "yaxis": f"y{number}", "showlegend": number == "" and "name" in trace}
                )
    return {"data": traces, "layout": layout}


def _band(name: str, x: Sequence[float | str], band: Band, colour: str) -> Iterator[dict[str, Any]]:
    """The band's two edges, with the space between them filled, and the line of means."""
    edge = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "line": {"width": 0, "color": colour},
        "legendgroup": name,
        "hoverinfo": "skip",
    }
    yield {**edge, "y": list(band["low"])}
    yield {**edge, "y": list(band["high"]), "fill": "tonexty", "fillcolor": transparent(colour)}
    yield {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "legendgroup": name,
        "x": list(x),
        "y": list(band["mean"]),
        "line": {"color": colour, "width": 2},
    }


def _scale(labels: Sequence[str]) -> tuple[Sequence[float | str], str]:
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return list(labels), "category"
    if min(numbers) > 0 and max(numbers) > WIDE * min(numbers):
        return numbers, "log"
    return numbers, "linear"


_Place = tuple[tuple[float, float], tuple[float, float]]
"""From where to where a panel reaches across and up, in shares of the figure."""


def _placed(grid: Sequence[Sequence[Any]]) -> Iterator[tuple[str, _Place, Any]]:
    """Every panel with the number in its axes' names, which the first lacks, and its place; the first row is on top."""
    for i, row in enumerate(grid):
        for j, panel in enumerate(row):
            across, up = _interval(j, len(row)), _interval(len(grid) - 1 - i, len(grid))
            number = i * len(row) + j + 1
            yield "" if number == 1 else str(number), (across, up), panel


def _interval(number: int, count: int) -> tuple[float, float]:
    gap = GAP if count > 1 else 0.0
    width = (1 - gap * (count - 1)) / count
    return round(number * (width + gap), 6), round(number * (width + gap) + width, 6)


def _layout(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "template": "plotly_white", "annotations": [], "margin": {"t": 100}}


def _axes(number: str, place: _Place) -> dict[str, Any]:
    across, up = place
    return {
        f"xaxis{number}": {"domain": list(across), "anchor": f"y{number}", "automargin": True},
        f"yaxis{number}": {"domain": list(up), "anchor": f"x{number}", "automargin": True},
    }


def _below(place: _Place, words: str) -> str:
    """What an axis is called below the lowest panels; between panels are the headings of those beneath."""
    return words if place[1][0] == 0 else ""


def _heading(place: _Place, title: str) -> dict[str, Any]:
    across, up = place
    return {
        "text": title,
        "xref": "paper",
        "yref": "paper",
        "x": sum(across) / 2,
        "y": up[1],
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
    }
