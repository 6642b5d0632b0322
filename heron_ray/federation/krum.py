"""Krum and Multi-Krum (Blanchard et al., NeurIPS 2017, arXiv 1703.02757)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.gathered import Gathered, blocks
from heron_ray.spec.aggregation import KrumAggregation
from heron_ray.vectors import Float32Array


class Krum(Gathered):
    """With N_i the n - f - 2 updates nearest to u_i (itself not counted):

        s_i  = sum_{j in N_i} ||u_i - u_j||^2                          2f + 2 < n
        krum = 1/m sum of the m updates with the smallest s_i          m = 1: Krum; m <= n - f: Multi-Krum

    Equal scores are ordered by the clients' order. Breakdown: with at most f Byzantine clients, f at most (n - 3)/2, an
    update far from all honest ones is never chosen. That needs honest updates that resemble one another: where clients'
    data differ much, Krum follows one client (m = 1) and leaves the rare ones out.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: KrumAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f, self._m = spec.f, spec.m

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        chosen = np.argsort(self._scores(updates), kind="stable")[: self._m]
        mean: Float32Array = np.stack([updates[i] for i in chosen]).mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    def _scores(self, updates: Sequence[Float32Array]) -> NDArray[np.float64]:
        """s_i [n]; NaN, which sorts last, for an update that is not finite."""
        distances = _squared_distances(updates)
        np.fill_diagonal(distances, np.inf)
        scores: NDArray[np.float64] = np.sort(distances, axis=1)[:, : len(updates) - self._f - 2].sum(axis=1)
        return scores


def _squared_distances(updates: Sequence[Float32Array]) -> NDArray[np.float64]:
    """||u_i - u_j||^2 [n, n], by differences summed in float64.

    Not by u_i . u_j: that cancels where updates are alike, and its bits depend on how many threads a matrix product uses.
    """
    n = len(updates)
    distances = np.zeros((n, n))
    with np.errstate(invalid="ignore", over="ignore"):
        for block in blocks(updates):
            for i in range(n - 1):
                distances[i, i + 1 :] += np.square(block[i + 1 :] - block[i], dtype=np.float64).sum(axis=1)
    return distances + distances.T
