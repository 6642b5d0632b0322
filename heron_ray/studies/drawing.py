"""From a study's groups to its figures, as Plotly JSON. Needs neither torch nor a folder, so that a service can draw too."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from heron_ray.figures import bands, heat_maps
from heron_ray.figures.curve import Curve
from heron_ray.figures.study import Band, BandPanel, HeatMap
from heron_ray.spec.study import BandsFigure, CurvesFigure, FigureSpec, StudySpec, WorstCaseFigure
from heron_ray.studies.table import Group, Spread, spread_of

_PARTS = (("main server", "{}_accuracy"), ("auxiliary head", "auxiliary_{}_accuracy"))


def draw(study: StudySpec, figure: FigureSpec, groups: Sequence[Group]) -> dict[str, Any]:
    """One figure of a study, as Plotly JSON: a row of panels for the main server, one for auxiliary heads.

    A combination of labels that was left out of the run, or has not ended yet, is a gap.
    """
    axes = {name: list(dict.fromkeys(group.labels[name] for group in groups)) for name in study.axes}
    seeds = len(study.seeds)
    further = [name for name in axes if name not in figure.axes]
    combinations = list(itertools.product(*(axes[name] for name in further)))
    found = _Found(groups)
    grid: list[list[Any]] = []
    for part, column in _PARTS:
        panels: list[Any] = []
        for combination in combinations:
            fixed = dict(zip(further, combination, strict=True))
            words = ", ".join([part, *(f"{name} {label}" for name, label in fixed.items() if len(axes[name]) > 1)])
            place = (axes, fixed, found, column.format(figure.split), words)
            panels.append(_panel(figure, *place))
        grid.append(panels)
    if not isinstance(figure, WorstCaseFigure):
        title = f"{study.name}: {figure.split} accuracy, mean and range of {_seeds(seeds)}"
        if isinstance(figure, CurvesFigure):
            return bands(grid, title=title, x="round", rounds=True)
        return bands(grid, title=title, x=figure.x)
    title = f"{study.name}: lowest mean {figure.split} accuracy over {figure.over}, with the range of {_seeds(seeds)}"
    return heat_maps(grid, title=title, rows=figure.rows, columns=figure.columns)


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


class _Found:
    """Groups by their labels."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = {frozenset(group.labels.items()): group for group in groups}

    def group(self, labels: Mapping[str, str]) -> Group | None:
        return self._groups.get(frozenset(labels.items()))


def _panel(
    figure: FigureSpec, axes: Mapping[str, list[str]], fixed: Mapping[str, str], found: _Found, column: str, title: str
) -> HeatMap | BandPanel:
    place = (axes, fixed, found, column, title)
    if isinstance(figure, WorstCaseFigure):
        return _heat_map(figure, *place)
    return _bands(figure, *place) if isinstance(figure, BandsFigure) else _curves(figure, *place)


def _heat_map(
    figure: WorstCaseFigure, axes: Mapping[str, list[str]], fixed: Mapping[str, str], found: _Found, column: str, title: str
) -> HeatMap:
    values: list[list[float | None]] = []
    texts: list[list[str]] = []
    for row in axes[figure.rows]:
        cells = [
            _worst({**fixed, figure.rows: row, figure.columns: one}, figure.over, axes[figure.over], found, column)
            for one in axes[figure.columns]
        ]
        values.append([value for value, _ in cells])
        texts.append([text for _, text in cells])
    return {"title": title, "rows": axes[figure.rows], "columns": axes[figure.columns], "values": values, "texts": texts}


def _worst(labels: Mapping[str, str], over: str, cases: Sequence[str], found: _Found, column: str) -> tuple[float | None, str]:
    """The lowest mean over the cases and what is written there: mean, range over seeds, and which case it is."""
    groups = {case: group for case in cases if (group := found.group({**labels, over: case})) is not None}
    spreads: dict[str, Spread] = {case: one for case, group in groups.items() if (one := group.spreads[column]) is not None}
    if not spreads:
        return None, "impossible" if groups and all("IMPOSSIBLE" in group.states for group in groups.values()) else ""
    case = min(spreads, key=lambda name: spreads[name].mean)
    spread = spreads[case]
    return spread.mean, f"{spread.mean:.1%}<br>({spread.low:.1%} - {spread.high:.1%})<br>{case}"


def _bands(
    figure: BandsFigure, axes: Mapping[str, list[str]], fixed: Mapping[str, str], found: _Found, column: str, title: str
) -> BandPanel:
    lines = {name: _line({**fixed, figure.lines: name}, figure.x, axes[figure.x], found, column) for name in axes[figure.lines]}
    drawn = {name: line for name, line in lines.items() if any(value is not None for value in line["mean"])}
    return {"title": title, "x": axes[figure.x], "lines": drawn}


def _line(labels: Mapping[str, str], x: str, places: Sequence[str], found: _Found, column: str) -> Band:
    groups = [found.group({**labels, x: place}) for place in places]
    return _band([None if group is None else group.spreads[column] for group in groups])


def _curves(
    figure: CurvesFigure, axes: Mapping[str, list[str]], fixed: Mapping[str, str], found: _Found, column: str, title: str
) -> BandPanel:
    groups = {name: found.group({**fixed, figure.lines: name}) for name in axes[figure.lines]}
    curves = {name: group.curves[column] for name, group in groups.items() if group is not None and group.curves[column]}
    rounds = sorted({round for seeds in curves.values() for curve in seeds for round in curve["rounds"]})
    return {"title": title, "x": rounds, "lines": {name: _over_seeds(seeds, rounds) for name, seeds in curves.items()}}


def _over_seeds(curves: Sequence[Curve], rounds: Sequence[int]) -> Band:
    """Round by round, over the seeds that were evaluated there."""
    values = [dict(zip(curve["rounds"], curve["values"], strict=True)) for curve in curves]
    there = [[value for seed in values if (value := seed.get(round)) is not None] for round in rounds]
    return _band([spread_of([value for value in seeds if math.isfinite(value)]) for seeds in there])


def _band(spreads: Sequence[Spread | None]) -> Band:
    return {
        "mean": [None if spread is None else spread.mean for spread in spreads],
        "low": [None if spread is None else spread.low for spread in spreads],
        "high": [None if spread is None else spread.high for spread in spreads],
    }
