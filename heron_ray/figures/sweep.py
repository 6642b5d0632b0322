"""Parallel coordinates of a sweep: one line per trial across one axis per thing varied, coloured by validation accuracy.

Drawn with plain lines. Plotly's own `parcoords` needs WebGL, and compiles its shaders' glue from strings on drivers that it
was not prepared for, which a page without `unsafe-eval` forbids.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

# From the lowest validation accuracy to the highest; legible on light and dark ground.
SCALE = ("#8C97A3", "#98928F", "#A48D7B", "#B08867", "#BC8353", "#C87E3F", "#D4792B")
BEST = "#009E73"
# Positive values that span more than this factor are placed by their logarithm.
WIDE = 20.0
# More distinct values than this get marks at even distances instead of one each.
FEW = 8


class Trial(TypedDict):
    """One trial: what it overrides, by dotted path, and what it reached; None before it was measured."""

    number: int
    overrides: Mapping[str, Any]
    validation_accuracy: float | None
    test_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """`heights[i]` is where trial i crosses, from 0 to 1; None where it has no value here."""

    label: str
    texts: Sequence[str]
    heights: Sequence[float | None]
    ticks: Sequence[tuple[float, str]]


def parallel_coordinates(trials: Sequence[Trial], *, best: int | None = None) -> dict[str, Any]:
    """Every measured trial as a line across the overridden paths, its validation and its test accuracy.

    Args:
        trials: The trials of one sweep; those without a validation accuracy are left out.
        best: The number of the trial to mark.

    Returns:
        A Plotly figure as plain JSON values, with one trace per colour, whose `customdata` tell each line's trial; without any
        while nothing was measured.

    Example:
        >>> scores = {"validation_accuracy": 0.9, "test_accuracy": 0.8}
        >>> trial = {"number": 1, "overrides": {"method.zeroth_order.mu": 1e-3}, **scores}
        >>> parallel_coordinates([trial])["layout"]["xaxis"]["ticktext"]
        ['zeroth_order<br>mu', 'validation<br>accuracy', 'test<br>accuracy']
    """
    measured = [trial for trial in trials if trial["validation_accuracy"] is not None]
    paths = list(dict.fromkeys(path for trial in measured for path in trial["overrides"]))
    axes = [_axis("<br>".join(path.split(".")[-2:]), [trial["overrides"].get(path) for trial in measured]) for path in paths]
    if measured:
        axes.append(_share("validation<br>accuracy", [trial["validation_accuracy"] for trial in measured]))
        axes.append(_share("test<br>accuracy", [trial["test_accuracy"] for trial in measured]))
    return {"data": list(_traces(measured, axes, best)), "layout": _layout(axes)}


def _traces(trials: Sequence[Trial], axes: Sequence[_Axis], best: int | None) -> Iterator[dict[str, Any]]:
    """A few traces however many trials: lines of one colour are one trace, with gaps between them."""
    scores = [trial["validation_accuracy"] or 0.0 for trial in trials]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    bins: dict[str, list[int]] = {}
    for index, score in enumerate(scores):
        step = round((score - low) / (high - low) * (len(SCALE) - 1)) if high > low else len(SCALE) - 1
        bins.setdefault(BEST if trials[index]["number"] == best else SCALE[step], []).append(index)
    for colour in (*SCALE, BEST):
        if colour in bins:
            yield _trace(trials, axes, bins[colour], colour)


def _trace(trials: Sequence[Trial], axes: Sequence[_Axis], indices: Sequence[int], colour: str) -> dict[str, Any]:
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    numbers: list[int | None] = []
    for index in indices:
        values = "<br>".join(f"{axis.label.replace('<br>', ' ')}: {axis.texts[index]}" for axis in axes)
        x += [*range(len(axes)), None]
        y += [*(axis.heights[index] for axis in axes), None]
        text += [f"<b>trial {trials[index]['number']}</b><br>{values}"] * len(axes) + [""]
        numbers += [trials[index]["number"]] * len(axes) + [None]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "best" if colour == BEST else "trials",
        "x": x,
        "y": y,
        "text": text,
        "customdata": numbers,
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": colour, "width": 4 if colour == BEST else 1.8},
        "marker": {"size": 7 if colour == BEST else 5},
    }


def _layout(axes: Sequence[_Axis]) -> dict[str, Any]:
    ticks = [
        {"x": place, "y": height, "text": text, "xanchor": "right", "xshift": -7, "showarrow": False, "font": {"size": 11}}
        for place, axis in enumerate(axes)
        for height, text in axis.ticks
    ]
    x = {
        "tickvals": list(range(len(axes))),
        "ticktext": [axis.label for axis in axes],
        "tickangle": 0,
        "side": "top",
        "range": [-0.45, len(axes) - 0.75],
        "gridwidth": 2,
        "zeroline": False,
        "fixedrange": True,
    }
    y = {"visible": False, "range": [-0.05, 1.05], "fixedrange": True}
    return {"xaxis": x, "yaxis": y, "hovermode": "closest", "showlegend": False, "annotations": ticks}


def _share(label: str, values: Sequence[float | None]) -> _Axis:
    found = [value for value in values if value is not None]
    return _placed(label, values, _even(min(found), max(found)) if found else [], text="{:.1%}".format)


def _axis(label: str, values: Sequence[Any]) -> _Axis:
    found = [value for value in values if value is not None]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        return _categories(label, values)
    distinct = sorted(set(found))
    low, high = distinct[0], distinct[-1]
    if low > 0 and high / low > WIDE:
        return _placed(label, values, _powers(low, high), logarithmic=True)
    return _placed(label, values, distinct if len(distinct) <= FEW else _even(low, high))


def _placed(
    label: str,
    values: Sequence[float | None],
    ticks: Sequence[float],
    *,
    text: Callable[[float], str] = "{:.4g}".format,
    logarithmic: bool = False,
) -> _Axis:
    place = math.log10 if logarithmic else float
    found = [place(value) for value in values if value is not None]
    low, high = min(found, default=0.0), max(found, default=0.0)

    def height(value: float) -> float:
        return (place(value) - low) / (high - low) if high > low else 0.5

    return _Axis(
        label=label,
        texts=["none" if value is None else text(value) for value in values],
        heights=[None if value is None else height(value) for value in values],
        ticks=[(height(tick), text(tick)) for tick in dict.fromkeys(ticks)],
    )


def _categories(label: str, values: Sequence[Any]) -> _Axis:
    names = [value if isinstance(value, str) else json.dumps(value) for value in values]
    order = list(dict.fromkeys(names))
    heights = {name: place / (len(order) - 1) if len(order) > 1 else 0.5 for place, name in enumerate(order)}
    return _Axis(
        label=label, texts=names, heights=[heights[name] for name in names], ticks=[(heights[name], name) for name in order]
    )


def _even(low: float, high: float) -> list[float]:
    return [low + (high - low) * step / 4 for step in range(5)]


def _powers(low: float, high: float) -> list[float]:
    between = (10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1))
    return [low, *(tick for tick in between if low * 1.5 < tick < high / 1.5), high]
