"""Krum and Multi-Krum (Blanchard et al., NeurIPS 2017, arXiv 1703.02757)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import mean, squared_distances
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import KrumAggregation
from heron_ray.vectors import Float32Array


class Krum(Gathered):
    """With N_i the n - f - 2 updates nearest to u_i (itself not counted):

        s_i  = sum_{j in N_i} ||u_i - u_j||^2                          2f + 2 < n
        krum = 1/m sum of the m updates with the smallest s_i          m = 1: Krum; m <= n - f: Multi-Krum

    Equal scores are ordered by the clients' order. Breakdown: with at most f Byzantine clients, f at most (n - 3)/2, an
    update far from all honest ones is never chosen. That needs honest updates that resemble one another: where clients'
    data differ much, Krum follows one client (m = 1) and leaves the rare ones out. Cost: n^2 P.
    """  # noqa: D415 - the summary line introduces the formula

    ORDERS_NON_FINITE = True

    def __init__(self, spec: KrumAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f, self._m = spec.f, spec.m

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above; what is not finite has an infinite score."""
        distances = squared_distances(updates)
        np.fill_diagonal(distances, np.inf)
        scores = np.sort(distances, axis=1)[:, : len(updates) - self._f - 2].sum(axis=1)
        return mean([updates[i] for i in self.keep_only(np.argsort(scores, kind="stable")[: self._m].tolist())])
