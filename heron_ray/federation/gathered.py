"""Rules that must see the whole cohort at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from heron_ray.federation.rule import AggregationRule
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.vectors import Float32Array

_BLOCK = 8192
"""Coordinates joined at a time, so that a rule takes little memory beside the updates themselves."""


class Gathered(AggregationRule):
    """Keeps the updates of the cohort, then joins them: memory grows as cohort n times parameters P, once.

    Every gathered rule treats all clients alike, whatever number of samples they claim to hold: a Byzantine client
    would claim many.
    """

    def __init__(self, spec: AggregationSpec) -> None:
        """Follow `spec`."""
        self._fault = spec.fault
        self._updates: list[Float32Array] = []

    def add(self, update: Float32Array, samples: int) -> None:
        """Keep one client's update."""
        self._updates.append(update)

    def result(self) -> Float32Array:
        """The joined update.

        Raises:
            ValueError: Fewer updates came than the rule can bear.
        """
        if not self._updates:
            raise ValueError("no update came: there is nothing to join")
        if (fault := self._fault(len(self._updates))) is not None:
            raise ValueError(fault[1])
        joined = self.join(self._updates)
        self._updates = []
        return joined

    @abstractmethod
    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The joined update [P] of the cohort's n updates [P]."""


def blocks(updates: Sequence[Float32Array]) -> Iterator[Float32Array]:
    """The updates [n, P] in blocks of coordinates [n, up to 8192]."""
    for start in range(0, len(updates[0]), _BLOCK):
        yield np.stack([update[start : start + _BLOCK] for update in updates])
