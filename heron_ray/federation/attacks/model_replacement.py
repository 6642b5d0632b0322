"""Model replacement (Bagdasaryan et al., AISTATS 2020, arXiv 1807.00459)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.spec.attack import ModelReplacementAttack
from heron_ray.vectors import Float32Array


class ModelReplacement(Attack):
    """u' = scale * u with scale = n, the cohort: where the others' updates cancel out, the mean is then the client's own model.

    To replace the model by a backdoored one, use `backdoor` with a `scale`.
    """

    needs_cohort = True

    def __init__(self, spec: ModelReplacementAttack) -> None:
        """Follow `spec`."""
        self._scale = spec.scale

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        scale = len(cohort.honest) + cohort.byzantine if self._scale is None else self._scale
        return np.float32(scale) * cohort.own
