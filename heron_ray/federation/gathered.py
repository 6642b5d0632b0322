"""Rules that must see the whole cohort at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from heron_ray.federation.rule import AggregationRule, mended
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.vectors import Float32Array


class Gathered(AggregationRule):
    """Keeps the updates of the cohort, then joins them: memory grows as cohort n times parameters P, once.

    Every gathered rule treats all clients alike, whatever number of samples they claim to hold: a Byzantine client
    would claim many.
    """

    ORDERS_NON_FINITE: ClassVar[bool] = False
    """Whether `join` itself lets what is not finite do no harm. Else such updates reach it as zero."""

    def __init__(self, spec: AggregationSpec) -> None:
        """Follow `spec`."""
        self._bound: Callable[[int], tuple[str, str] | None] = spec.bound
        self._updates: list[Float32Array] = []
        self._clients: list[int | None] = []
        self._draw: np.random.Generator | None = None

    def add(self, update: Float32Array, samples: int, client: int | None = None) -> None:
        """Keep one client's update."""
        self._updates.append(update if self.ORDERS_NON_FINITE else mended(update))
        self._clients.append(client)

    def result(self, draw: np.random.Generator | None = None) -> Float32Array:
        """The joined update."""
        if not self._updates:
            raise ValueError("no update came: there is nothing to join")
        if (fault := self._bound(len(self._updates))) is not None:
            raise ValueError(fault[1])
        self._draw = draw
        joined = self.join(self._updates)
        self._updates, self._clients, self._draw = [], [], None
        return joined

    def keep_only(self, chosen: Sequence[int]) -> Sequence[int]:
        """Note that a result is made of these places alone; returns them."""
        self.left_out = tuple(sorted(set(range(len(self._updates))) - set(chosen)))
        return chosen

    @abstractmethod
    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The joined update [P] of the cohort's n updates [P]."""
