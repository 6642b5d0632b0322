"""The min-sum attack (Shejwalkar and Houmansadr, NDSS 2021)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.federation.attacks.hidden_shift import deviation, furthest, squared_distances
from heron_ray.spec.attack import MinSumAttack
from heron_ray.vectors import Float32Array


class MinSum(Attack):
    """u' = m + gamma * p with m the mean of the h honest updates u_i, p a direction against it, and

        gamma = the largest with sum_i ||u' - u_i||^2 <= max_i sum_j ||u_i - u_j||^2

    The left side is h gamma^2 ||p||^2 + sum_i ||m - u_i||^2, because the gaps to the mean sum to 0.
    """  # noqa: D415 - the summary line introduces the formula

    needs_cohort = True

    def __init__(self, spec: MinSumAttack) -> None:
        """Follow `spec`."""
        self._deviation = spec.deviation

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        honest, p = cohort.honest, deviation(cohort.honest, self._deviation)
        mean = honest.mean(axis=0, dtype=np.float64)
        bound = squared_distances(honest).sum(axis=1).max()
        spread = float(np.square(mean - honest).sum())
        gamma = furthest(len(honest) * float(p @ p), 0.0, spread - float(bound))
        forged: Float32Array = (mean + gamma * p).astype(np.float32)
        return forged
