"""The min-max attack (Shejwalkar and Houmansadr, NDSS 2021)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.federation.attacks.hidden_shift import deviation, furthest, squared_distances
from heron_ray.spec.attack import MinMaxAttack
from heron_ray.vectors import Float32Array


class MinMax(Attack):
    """u' = m + gamma * p with m the mean of the honest updates u_i, p a direction against it, and

        gamma = the largest with max_i ||u' - u_i|| <= max_ij ||u_i - u_j||

    For each i the bound is a quadratic in gamma, so that gamma is the smallest of their larger roots: no search is needed.
    """  # noqa: D415 - the summary line introduces the formula

    needs_cohort = True

    def __init__(self, spec: MinMaxAttack) -> None:
        """Follow `spec`."""
        self._deviation = spec.deviation

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        honest, p = cohort.honest, deviation(cohort.honest, self._deviation)
        mean = honest.mean(axis=0, dtype=np.float64)
        bound = squared_distances(honest).max()
        gaps = mean - honest
        gamma = min(furthest(float(p @ p), float(gap @ p), float(gap @ gap - bound)) for gap in gaps)
        forged: Float32Array = (mean + gamma * p).astype(np.float32)
        return forged
