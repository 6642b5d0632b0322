"""Several runs over one another: each as a line, or those that differ in their seed alone as a mean with a band."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from heron_ray.figures.curve import COLOURS, Curve, line, transparent
from heron_ray.figures.places import AXES, XAxis, at, placed

# The last of the palette is black, which dark ground swallows.
VISIBLE = COLOURS[:6]
DASHES = ("solid", "dash", "dot", "dashdot")


class Run(TypedDict):
    """One run: its curve, where its rounds stand on the axis (None: the rounds are the axis), and the group it is in."""

    label: str
    group: str
    curve: Curve
    places: Curve | None


def overlay(
    runs: Sequence[Run],
    *,
    series: str,
    x: XAxis = "round",
    smoothing: float = 0.0,
    log_x: bool = False,
    log_y: bool = False,
    grouped: bool = True,
) -> dict[str, Any]:
    """Overlay one series of several runs.

    Args:
        runs: The runs; those whose curve is empty add no line.
        series: Its name, for the axis; accuracies are drawn as shares of 100 %.
        x: What the axis across is.
        smoothing: Weight w in [0, 1) of what was before: m[i] = (1 - w) sum over j <= i of w**(i - j) y[j] / (1 - w**(i + 1)),
            an exponential mean that is not drawn towards zero at its start.
        log_x: A logarithmic axis across.
        log_y: A logarithmic axis up.
        grouped: Runs of one group become their mean, with a band from the lowest to the highest. Between the points of a run a
            straight line is taken; where fewer than two runs of the group have come so far there is no band.

    Returns:
        A Plotly figure as plain JSON values.

    Example:
        >>> ends = (("a", 0.2), ("b", 0.4))
        >>> runs = [Run(label=n, group="g", curve={"rounds": [1], "values": [v]}, places=None) for n, v in ends]
        >>> [round(trace["y"][0], 3) for trace in overlay(runs, series="test_accuracy")["data"]]
        [0.2, 0.4, 0.3]
    """
    smooth: list[Run] = [{**run, "curve": smoothed(run["curve"], smoothing)} for run in runs if run["curve"]["rounds"]]
    traces: list[dict[str, Any]] = []
    if grouped:
        names = list(dict.fromkeys(run["group"] for run in smooth))
        for number, name in enumerate(names):
            traces += _group(name, [run for run in smooth if run["group"] == name], *_style(number))
    else:
        for number, run in enumerate(smooth):
            traces.append(_line(run["label"], *placed(run["curve"], run["places"]), *_style(number)))
    share = {"tickformat": ".0%"} if series.endswith(("accuracy", "_f1")) else {}
    y: dict[str, Any] = {"title": {"text": series.replace("_", " ")}, **share, **({"type": "log"} if log_y else {})}
    across = {**AXES[x], **({"type": "log"} if log_x else {})}
    layout = {
        "xaxis": across,
        "yaxis": y,
        "hovermode": "closest",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    return {"data": traces, "layout": layout}


def smoothed(curve: Curve, weight: float) -> Curve:
    """The exponential mean of a curve; a gap stays a gap and is passed over.

    Example:
        >>> smoothed({"rounds": [1, 2], "values": [1.0, 1.0]}, 0.5)["values"]
        [1.0, 1.0]
    """
    if weight == 0:
        return curve
    mean, total = 0.0, 0.0
    values: list[float | None] = []
    for value in curve["values"]:
        if value is None:
            values.append(None)
            continue
        mean = weight * mean + (1 - weight) * value
        total = weight * total + (1 - weight)
        values.append(mean / total)
    return {"rounds": curve["rounds"], "values": values}


def _group(name: str, runs: Sequence[Run], colour: str, dash: str) -> list[dict[str, Any]]:
    if len(runs) == 1:
        return [_line(name, *placed(runs[0]["curve"], runs[0]["places"]), colour, dash)]
    x, low, mean, high = [], [], [], []
    for round in sorted({round for run in runs for round in run["curve"]["rounds"]}):
        there = [run for run in runs if at(run["curve"], round) is not None]
        places = [round if run["places"] is None else at(run["places"], round) for run in there]
        known = [place for place in places if place is not None]
        values = [value for run in there if (value := at(run["curve"], round)) is not None]
        if known and len(known) == len(values):
            x.append(_mean(known))
            low.append(min(values))
            mean.append(_mean(values))
            high.append(max(values))
    edge = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip"}
    common = {"legendgroup": name, "showlegend": False}
    lower = {**edge, **common, "y": low}
    upper = {**edge, **common, "y": high, "fill": "tonexty", "fillcolor": transparent(colour)}
    return [lower, upper, {**_line(f"{name} (mean of {len(runs)})", x, mean, colour, dash), "legendgroup": name}]


def _line(name: str, x: Sequence[float], y: Sequence[float | None], colour: str, dash: str) -> dict[str, Any]:
    told = f"{name}<br>%{{x}}: %{{y}}<extra></extra>"
    return {**line(name, {"rounds": [], "values": y}, colour, dash=dash), "x": list(x), "hovertemplate": told}


def _style(number: int) -> tuple[str, str]:
    return VISIBLE[number % len(VISIBLE)], DASHES[number // len(VISIBLE) % len(DASHES)]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
