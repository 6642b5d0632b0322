"""MoNNA's averaging around a trusted client.

Farhadkhani et al., "Robust collaborative learning with linear gradient overhead", ICML 2023, arXiv 2209.10931.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import mean, norms
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import MonnaAggregation
from heron_ray.vectors import Float32Array


class Monna(Gathered):
    """With N the n - f updates nearest to the trusted client's update u_0 (itself among them):

        monna = 1/(n - f) sum_{i in N} u_i                             2f < n

    Equal distances are ordered by the clients' order. Breakdown: as long as the trusted client is honest, with at most f
    Byzantine clients the result is no farther from u_0 than the farthest honest update, whatever the others send. If it is
    Byzantine, nothing is promised. Cost: n P.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: MonnaAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f, self._trusted = spec.f, spec.trusted

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        if self._trusted not in self._clients:
            raise ValueError(f"the trusted client {self._trusted} sent no update in this round")
        trusted = updates[self._clients.index(self._trusted)].astype(np.float64)
        distances = norms(update - trusted for update in updates)
        nearest = np.argsort(distances, kind="stable")[: len(updates) - self._f].tolist()
        return mean([updates[i] for i in self.keep_only(nearest)])
