"""A random direction of honest length."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.spec.attack import RandomAttack
from heron_ray.vectors import Float32Array


class Random(Attack):
    """u' = scale * L * e / ||e|| with e ~ N(0, I_P) and L the mean norm of the honest updates; each attacker draws its own."""

    needs_cohort = True

    def __init__(self, spec: RandomAttack) -> None:
        """Follow `spec`."""
        self._scale = spec.scale

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        length = self._scale * np.linalg.norm(cohort.honest.astype(np.float64), axis=1).mean()
        noise = cohort.draw.standard_normal((cohort.byzantine, cohort.honest.shape[1]))
        forged: Float32Array = (length * noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
        return forged
