"""The geometric median by the smoothed Weiszfeld iteration (RFA: Pillutla et al., arXiv 1912.13445)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import mean, norms
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import GeometricMedianAggregation
from heron_ray.vectors import Float32Array


class GeometricMedian(Gathered):
    """T steps towards the point with the smallest sum of distances to all updates:

        z_0     = 0
        z_{t+1} = sum_i w_i u_i / sum_i w_i,   w_i = 1 / max(nu, ||u_i - z_t||)

    It starts at zero, where the clients started, so with few steps it does not follow a common shift of all updates exactly.
    Breakdown: with fewer than n/2 Byzantine clients ||z_T|| <= (3^T - 1) max(nu, largest honest norm), whatever they send; in
    the limit, f clients move it by at most 2(n - f)/(n - 2f) of the honest updates' radius. Cost: T n P.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: GeometricMedianAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._nu, self._iterations = spec.nu, spec.iterations

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        z = np.zeros_like(updates[0])
        for _ in range(self._iterations):
            distances = norms(update.astype(np.float64) - z for update in updates)
            z = mean(updates, 1 / np.maximum(distances, self._nu))
        return z
