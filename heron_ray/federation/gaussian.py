"""Gaussian noise instead of an update (Blanchard et al., NeurIPS 2017, arXiv 1703.02757)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import GaussianAttack
from heron_ray.vectors import Float32Array


class Gaussian(Attack):
    """u' = sigma * e with e ~ N(0, I_P), whatever the client's own update is; drawn anew for each client and round.

    Its norm is about sigma * sqrt(P).
    """

    def __init__(self, spec: GaussianAttack) -> None:
        """Follow `spec`."""
        self._sigma = np.float32(spec.sigma)

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """The formula above."""
        return self._sigma * draw.standard_normal(update.shape, dtype=np.float32)
