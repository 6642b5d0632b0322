"""Free riding by delta weights (Lin et al., arXiv 1911.12560)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.spec.attack import FreeRiderAttack
from heron_ray.vectors import Float32Array


class FreeRider(Attack):
    """u' = (g_t - g_(t-1)) + sigma * e: the last change of the global model, which every client can tell from two broadcasts.

    It is 0 before the first change. Each attacker draws its own noise e ~ N(0, I_P).
    """

    needs_cohort = True
    needs_last = True

    def __init__(self, spec: FreeRiderAttack) -> None:
        """Follow `spec`."""
        self._sigma = np.float32(spec.sigma)

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        shape = (cohort.byzantine, len(cohort.last))
        return cohort.last + self._sigma * cohort.draw.standard_normal(shape, dtype=np.float32)
