"""Evenly spread points of an axis, and how many of each a grid of a given size can afford."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.space import Axis, ChoiceAxis, GridAxis, IntegerAxis, LogUniformAxis

DIGITS = 4
"""Significant digits of a proposed number: enough to tell trials apart, few enough to read."""


def grid_points(axes: Mapping[str, Axis], samples: int) -> dict[str, list[JsonValue]]:
    """Points per axis, at most `samples` combinations in all; no axis gets two points more than another that has more to give.

    >>> grid_points({"rounds": IntegerAxis(kind="integer", low=1, high=9)}, 3)
    {'rounds': [1, 5, 9]}

    Raises:
        SpecError: The grid would not even try both ends of every axis.
    """
    counts = dict.fromkeys(axes, 1)
    most = {path: distinct_values(axis) for path, axis in axes.items()}
    growing = [path for path in axes if most[path] > 1]
    while growing:
        path = min(growing, key=lambda name: counts[name])
        if math.prod(counts.values()) // counts[path] * (counts[path] + 1) > samples:
            break
        counts[path] += 1
        growing = [name for name in growing if counts[name] < most[name]]
    if any(counts[path] < 2 <= most[path] for path in axes):
        least = 2 ** sum(most[path] > 1 for path in axes)
        message = f"a grid with both ends of {len(axes)} axes needs at least {least} samples, not {samples}"
        raise SpecError([SpecIssue(path="samples", message=message)], hint="ask for more samples, or search at random")
    return {path: spread(axis, counts[path]) for path, axis in axes.items()}


def distinct_values(axis: Axis) -> float:
    """How many values an axis has; infinity for a range of numbers."""
    if isinstance(axis, ChoiceAxis | GridAxis):
        return len(axis.values)
    return axis.high - axis.low + 1 if isinstance(axis, IntegerAxis) else math.inf


def spread(axis: Axis, count: int) -> list[JsonValue]:
    """`count` values from one end of an axis to the other, in order; the axis must have that many."""
    if isinstance(axis, ChoiceAxis | GridAxis):
        last = len(axis.values) - 1
        return [axis.values[round(index)] for index in _steps(0, last, count)]
    if isinstance(axis, IntegerAxis):
        steps = _log_steps(axis.low, axis.high, count) if axis.log else _steps(axis.low, axis.high, count)
        return _whole(steps)
    steps = _log_steps(axis.low, axis.high, count) if isinstance(axis, LogUniformAxis) else _steps(axis.low, axis.high, count)
    return [readable(value, axis.low, axis.high) for value in steps]


def readable(value: float, low: float, high: float) -> float:
    """The value with few digits, not outside its bounds.

    >>> readable(0.00123456, 0.001, 0.1)
    0.001235
    """
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)


def _whole(steps: Sequence[float]) -> list[JsonValue]:
    """Rounded, but never two the same: where a logarithmic range is dense, the next number is taken."""
    values: list[int] = []
    for step in steps:
        values.append(max(round(step), values[-1] + 1) if values else round(step))
    return [*values]


def _steps(low: float, high: float, count: int) -> Sequence[float]:
    return [low + (high - low) * index / max(count - 1, 1) for index in range(count)]


def _log_steps(low: float, high: float, count: int) -> Sequence[float]:
    return [math.exp(step) for step in _steps(math.log(low), math.log(high), count)]
