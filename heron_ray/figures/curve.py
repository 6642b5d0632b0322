"""A curve, the colours of curves, and the line that draws one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

# Okabe and Ito's palette: told apart by colour-blind readers too. The first four are legible on light and dark ground.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


class Curve(TypedDict):
    """One series: `values[i]` was measured after round `rounds[i]`; None where a value was not finite."""

    rounds: Sequence[int]
    values: Sequence[float | None]


def line(name: str, curve: Curve, colour: str, *, dash: str = "solid", width: float = 2.0) -> dict[str, Any]:
    """A Plotly trace of one curve; a None in it leaves a gap.

    Args:
        name: What the legend calls it.
        curve: The points.
        colour: A CSS colour.
        dash: `solid`, `dash` or `dot`.
        width: In pixels.
    """
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(curve["rounds"]),
        "y": list(curve["values"]),
        "line": {"color": colour, "dash": dash, "width": width},
    }


def transparent(colour: str) -> str:
    """A colour of the palette, thin enough for a band that lines are seen through.

    >>> transparent("#0072B2")
    'rgba(0,114,178,0.18)'
    """
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def thin(curve: Curve, limit: int) -> Curve:
    """At most about `limit` points of a curve, among them the first, the last, every peak, every dip and every gap in sight.

    The rounds are cut into equal buckets; of each bucket stay the smallest value, the largest and the first that is None.

    Args:
        curve: The points.
        limit: How many are wanted, at least 6; a shorter curve is handed back as it is.

    Example:
        >>> spike = {"rounds": list(range(1, 1001)), "values": [0.0] * 500 + [9.0] + [0.0] * 499}
        >>> short = thin(spike, 30)
        >>> len(short["values"]) <= 30, max(short["values"])
        (True, 9.0)
    """
    rounds, values = curve["rounds"], curve["values"]
    count = len(values)
    if count <= limit:
        return curve
    buckets = (limit - 2) // 3
    kept = {0, count - 1}
    for bucket in range(buckets):
        kept |= _extremes(values, range(bucket * count // buckets, (bucket + 1) * count // buckets))
    chosen = sorted(kept)
    return {"rounds": [rounds[index] for index in chosen], "values": [values[index] for index in chosen]}


def _extremes(values: Sequence[float | None], indices: range) -> set[int]:
    found = [(value, index) for index in indices if (value := values[index]) is not None]
    gaps = [index for index in indices if values[index] is None][:1]
    return {*gaps, *([min(found)[1], max(found)[1]] if found else [])}
