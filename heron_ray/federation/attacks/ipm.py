"""Inner-product manipulation (Xie et al., UAI 2019, arXiv 1903.03936)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.federation.attacks.line_search import most_harmful
from heron_ray.spec.attack import IpmAttack
from heron_ray.vectors import Float32Array


class Ipm(Attack):
    """u' = -tau * m with m the mean of the honest updates; tau as given, or searched against the configured rule."""

    needs_cohort = True

    def __init__(self, spec: IpmAttack) -> None:
        """Follow `spec`."""
        self._tau, self._optimal = spec.tau, spec.optimal

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        mean = cohort.honest.mean(axis=0, dtype=np.float64)

        def forge(tau: float) -> Float32Array:
            forged: Float32Array = (-tau * mean).astype(np.float32)
            return forged

        return forge(most_harmful(cohort, forge) if self._optimal else self._tau)
