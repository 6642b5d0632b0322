"""Where a round stands on an axis that does not count rounds: bytes sent so far, simulated time, wall time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from heron_ray.figures.curve import Curve

XAxis: TypeAlias = Literal["round", "wall_time", "simulated_time", "bytes"]

AXES: Mapping[XAxis, Mapping[str, Any]] = MappingProxyType(
    {
        "round": {"title": {"text": "round"}, "rangemode": "tozero"},
        "wall_time": {"title": {"text": "wall time since the first attempt (s)"}, "rangemode": "tozero"},
        "simulated_time": {"title": {"text": "simulated time (s)"}, "rangemode": "tozero"},
        "bytes": {
            "title": {"text": "bytes sent so far, both ways"},
            "rangemode": "tozero",
            "tickformat": ".3~s",
            "ticksuffix": "B",
        },
    }
)


def at(curve: Curve, round: int) -> float | None:
    """The value after a round, on the straight line between the points beside it; None before the first and after the last.

    Example:
        >>> at({"rounds": [10, 20], "values": [0.0, 1.0]}, 15), at({"rounds": [10, 20], "values": [0.0, 1.0]}, 5)
        (0.5, None)
    """
    rounds, values = curve["rounds"], curve["values"]
    place = bisect_left(rounds, round)
    if place < len(rounds) and rounds[place] == round:
        return values[place]
    if place == 0 or place == len(rounds):
        return None
    left, right = values[place - 1], values[place]
    if left is None or right is None:
        return None
    share = (round - rounds[place - 1]) / (rounds[place] - rounds[place - 1])
    return left + share * (right - left)


def placed(curve: Curve, places: Curve | None) -> tuple[list[float], list[float | None]]:
    """The curve's points on another axis: x and y; those whose place is not known are left out.

    Args:
        curve: What is drawn.
        places: Where each round stands on the axis; None: the rounds themselves are the axis.

    Example:
        >>> placed({"rounds": [1, 2, 9], "values": [0.1, 0.2, 0.9]}, {"rounds": [1, 2], "values": [100.0, 200.0]})
        ([100.0, 200.0], [0.1, 0.2])
    """
    if places is None:
        return list(map(float, curve["rounds"])), list(curve["values"])
    found = [(at(places, round), value) for round, value in zip(curve["rounds"], curve["values"], strict=True)]
    known = [(place, value) for place, value in found if place is not None]
    return [place for place, _ in known], [value for _, value in known]
