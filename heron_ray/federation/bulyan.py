"""Bulyan over Krum (El Mhamdi et al., ICML 2018, arXiv 1802.07927)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.around_median import mean_around_median
from heron_ray.federation.blocks import blocks, squared_distances
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import BulyanAggregation
from heron_ray.vectors import Float32Array


class Bulyan(Gathered):
    """Krum chooses n - 2f updates one after another; of these, each coordinate's n - 4f values nearest to their median count:

        repeat n - 2f times:  among the r updates left, move the one with the smallest sum of squared distances to its
                              max(1, r - f - 2) nearest into S                                       4f + 3 <= n
        bulyan_j = 1/(n - 4f) sum of the n - 4f values u_ij, i in S, nearest to the median of S

    Of equal scores, which two nearest neighbours have where only one counts, the one with the smaller sum over all updates left
    comes first, then the clients' order. Breakdown: with at most f Byzantine clients, f at most (n - 3)/4, every
    coordinate is as near to honest values as the median is, also in high dimension, where one coordinate can hide in Krum's
    distances. Cost: n^2 P + n^3.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: BulyanAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f = spec.f

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        chosen = [updates[i] for i in self.keep_only(self._choose(squared_distances(updates)))]
        keep = len(chosen) - 2 * self._f
        return np.concatenate([mean_around_median(block, keep) for block in blocks(chosen)])

    def _choose(self, distances: NDArray[np.float64]) -> list[int]:
        """The n - 2f chosen, in the order of clients."""
        n = len(distances)
        np.fill_diagonal(distances, -1)  # so that each update comes first among its own neighbours
        order = np.argsort(distances, axis=1, kind="stable")[:, 1:]
        nearest = np.take_along_axis(distances, order, axis=1)
        left = np.ones(n, dtype=bool)
        for _ in range(n - 2 * self._f):
            neighbours = max(1, int(left.sum()) - self._f - 2)
            is_left = left[order]
            counted = is_left & (np.cumsum(is_left, axis=1) <= neighbours)
            scores = np.where(counted, nearest, 0).sum(axis=1)
            totals = np.where(is_left, nearest, 0).sum(axis=1)
            candidates = np.flatnonzero(left)
            left[candidates[np.lexsort((totals[candidates], scores[candidates]))[0]]] = False
        return np.flatnonzero(~left).tolist()
