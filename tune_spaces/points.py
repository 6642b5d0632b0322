"""Points and their trials: a point is tried once for each seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from heron_ray.spec.sweep import SweepSpec

SEED = "seed"


def with_seeds(points: Iterable[Mapping[str, JsonValue]], seeds: int, first: int) -> list[dict[str, JsonValue]]:
    """The trials of points, in order: each with the seeds `first`, `first` + 1, ...; with one seed a point is its trial.

    >>> with_seeds([{"rounds": 3}], 2, 7)
    [{'rounds': 3, 'seed': 7}, {'rounds': 3, 'seed': 8}]
    """
    if seeds == 1:
        return [dict(point) for point in points]
    return [{**point, SEED: first + step} for point in points for step in range(seeds)]


def point_values(ended: Mapping[int, tuple[float, ...] | None], plan: SweepSpec) -> dict[int, tuple[float, ...] | None]:
    """What the points of which every trial has ended came to, in their order: means over seeds, or None where one failed."""
    found: dict[int, tuple[float, ...] | None] = {}
    for last in sorted(number for number in ended if number % plan.seeds == 0):
        numbers = range(last - plan.seeds + 1, last + 1)
        if all(number in ended for number in numbers):
            values = [trial for number in numbers if (trial := ended[number]) is not None]
            is_whole = len(values) == plan.seeds
            found[plan.point_of(last)] = (
                tuple(math.fsum(column) / plan.seeds for column in zip(*values, strict=True)) if is_whole else None
            )
    return found
