"""Minimum-diameter averaging (El Mhamdi et al., 2019, arXiv 1905.03853)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.blocks import mean, squared_distances
from heron_ray.federation.far_graph import FarGraph
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import MdaAggregation
from heron_ray.vectors import Float32Array


class Mda(Gathered):
    """The mean of the n - f updates that lie closest together:

        S   = argmin over subsets of size n - f of max_{i, j in S} ||u_i - u_j||                2f < n
        mda = 1/(n - f) sum_{i in S} u_i

    Often several subsets have that diameter, which the paper leaves open: the first in the order of clients is taken (1 2 3
    before 1 2 4), so that the result may depend on their order. Breakdown: with at most f
    Byzantine clients, f < n/2, each chosen update is within one diameter of the honest ones of an honest update. Cost:
    n^2 P, and an exact search without listing subsets whose steps grow as 1.47^f in the worst case; f is at most 20.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: MdaAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f = spec.f

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        return mean([updates[i] for i in self.keep_only(closest_together(squared_distances(updates), self._f))])


def closest_together(distances: NDArray[np.float64], f: int) -> list[int]:
    """The n - f vectors of smallest diameter, given all distances [n, n].

    A diameter t is possible where at most f vectors can be left out so that no two that are farther apart than t stay. The
    smallest such t is one of the distances: bisection finds it.
    """
    n = len(distances)
    candidates = np.unique(distances)
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if FarGraph(distances > candidates[middle]).can_part(f):
            high = middle
        else:
            low = middle + 1
    return FarGraph(distances > candidates[low]).first_that_stay(f)[: n - f]
