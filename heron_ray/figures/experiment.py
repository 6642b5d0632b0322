"""The figures of one experiment: accuracy, losses and bytes against rounds.

A trace says in `meta` which series it draws, so that a live page can append points without laying anything out anew:
`{"series": name}`, and `"total": true` where it draws the running sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heron_ray.figures.curve import COLOURS, Curve, line, thin
from heron_ray.figures.places import AXES, XAxis, placed

# A browser redraws four lines of this many points in about 25 ms.
POINTS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    series: str
    name: str
    colour: str
    dash: str = "solid"
    width: float = 2.0
    total: bool = False


_SERVER, _AUXILIARY = COLOURS[0], COLOURS[1]
_UP, _DOWN = COLOURS[2], COLOURS[3]

_ACCURACY = (
    _Line(series="test_accuracy", name="server, test", colour=_SERVER),
    _Line(series="auxiliary_test_accuracy", name="auxiliary head, test", colour=_AUXILIARY),
    _Line(series="validation_accuracy", name="server, validation", colour=_SERVER, dash="dot", width=1.3),
    _Line(series="auxiliary_validation_accuracy", name="auxiliary head, validation", colour=_AUXILIARY, dash="dot", width=1.3),
)
_LOSSES = (
    _Line(series="test_loss", name="server, test", colour=_SERVER),
    _Line(series="auxiliary_test_loss", name="auxiliary head, test", colour=_AUXILIARY),
    _Line(series="server_loss", name="server, training", colour=_SERVER, dash="dot", width=1.3),
    _Line(series="client_loss", name="clients, training", colour=_AUXILIARY, dash="dot", width=1.3),
)
_BYTES = (
    _Line(series="bytes_up", name="clients to servers", colour=_UP, total=True),
    _Line(series="bytes_down", name="servers to clients", colour=_DOWN, total=True),
)


# The series that are drawn as they are, and those whose running sums are.
DRAWN = tuple(part.series for part in (*_ACCURACY, *_LOSSES))
SUMMED = tuple(part.series for part in _BYTES)


def experiment_figures(
    series: Mapping[str, Curve],
    *,
    totals: Mapping[str, Curve] | None = None,
    points: int = POINTS,
    x: XAxis = "round",
    places: Curve | None = None,
) -> dict[str, dict[str, Any]]:
    """The figures of one experiment by name: `accuracy`, `losses` and `bytes`.

    Args:
        series: Its series by name, as `GET /v1/experiments/{id}/series` gives them.
        totals: The running sums of `SUMMED`, where the caller has them; else they are summed here.
        points: A line longer than this is thinned; its peaks, dips and gaps stay.
        x: What the axis across is.
        places: Where each round stands on it, unless it counts rounds; a point whose place is not known is left out.

    Returns:
        Plotly figures as plain JSON values. A series that does not exist adds no line.

    Example:
        >>> figures = experiment_figures({"bytes_up": {"rounds": [1, 2], "values": [10, 10]}})
        >>> figures["bytes"]["data"][0]["y"], figures["losses"]["data"]
        ([10, 20], [])
    """
    axes: dict[str, tuple[tuple[_Line, ...], dict[str, Any]]] = {
        "accuracy": (_ACCURACY, {"title": {"text": "accuracy"}, "range": [0, 1], "tickformat": ".0%"}),
        "losses": (_LOSSES, {"title": {"text": "loss (nats)"}, "rangemode": "tozero"}),
        "bytes": (
            _BYTES,
            {"title": {"text": "bytes sent so far"}, "rangemode": "tozero", "tickformat": ".3~s", "ticksuffix": "B"},
        ),
    }
    if totals is None:
        totals = {name: _running_sum(series[name]) for name in SUMMED if name in series}
    curves = {**series, **totals}
    return {
        name: {
            "data": [_trace(part, curves[part.series], points, places) for part in parts if part.series in curves],
            "layout": _layout(AXES[x], y),
        }
        for name, (parts, y) in axes.items()
    }


def _trace(part: _Line, curve: Curve, points: int, places: Curve | None) -> dict[str, Any]:
    drawn = thin(curve, points)
    elsewhere = {}
    if places is not None:
        elsewhere = dict(zip(("x", "y"), placed(drawn, places), strict=True))
    meta = {"series": part.series, **({"total": True} if part.total else {})}
    return {**line(part.name, drawn, part.colour, dash=part.dash, width=part.width), **elsewhere, "meta": meta}


def _running_sum(curve: Curve) -> Curve:
    values: list[float | None] = list(itertools.accumulate(value or 0 for value in curve["values"]))
    return {"rounds": curve["rounds"], "values": values}


def _layout(x: Mapping[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    return {
        "xaxis": dict(x),
        "yaxis": y,
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
