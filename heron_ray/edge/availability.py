"""Which clients can be sampled in which round: a function of seed, client and round, so that a plan stays one, too.

The time of day goes by rounds, not by the virtual clock: how long earlier rounds took must not matter for a plan.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heron_ray.seeds import Purpose, derive, generator
from heron_ray.spec.edge import DiurnalAvailability


class Availability(ABC):
    """What every pattern offers.

    Args:
        count: Clients.
        seed: The experiment's seed.
    """

    def __init__(self, count: int, seed: int) -> None:
        """Draw nothing yet."""
        self._count, self._seed = count, seed

    @abstractmethod
    def in_round(self, round: int) -> NDArray[np.bool_]:
        """Which clients are there in round t, counted from 1 [count]."""

    @functools.cached_property
    def _uniform(self) -> NDArray[np.float32]:
        return generator(derive(self._seed, Purpose.AVAILABILITY)).random(self._count, dtype=np.float32)


class Diurnal(Availability):
    """Client i is there while ((t - 1) / rounds_per_day + phi_i) mod 1 < share, with phi_i uniform on [0, 1)."""

    def __init__(self, spec: DiurnalAvailability, count: int, seed: int) -> None:
        """Follow `spec`."""
        super().__init__(count, seed)
        self._spec = spec

    def in_round(self, round: int) -> NDArray[np.bool_]:
        """By the formula above."""
        hour = ((round - 1) % self._spec.rounds_per_day) / self._spec.rounds_per_day
        there: NDArray[np.bool_] = (self._uniform.astype(np.float64) + hour) % 1.0 < self._spec.share
        return there


class Patterns(Availability):
    """Each client draws one of some patterns of 0 and 1; character (t - 1) mod length says whether it is there in round t."""

    def __init__(self, patterns: Sequence[str], count: int, seed: int) -> None:
        """Follow `patterns`."""
        super().__init__(count, seed)
        self._patterns = tuple(patterns)

    def in_round(self, round: int) -> NDArray[np.bool_]:
        """By the pattern."""
        now = np.array([pattern[(round - 1) % len(pattern)] == "1" for pattern in self._patterns])
        there: NDArray[np.bool_] = now[self._drawn]
        return there

    @functools.cached_property
    def _drawn(self) -> NDArray[np.int32]:
        return (self._uniform * np.float32(len(self._patterns))).astype(np.int32).clip(max=len(self._patterns) - 1)
