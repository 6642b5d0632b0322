"""Gaussian noise instead of an update (Blanchard et al., NeurIPS 2017, arXiv 1703.02757), or on smashed data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import GaussianAttack
from heron_ray.vectors import Float32Array


class Gaussian(Attack):
    """u' = sigma * e with e ~ N(0, I_P), whatever the client's own update is; drawn anew for each client and round.

    Its norm is about sigma * sqrt(P). On the smashed path z' = z + sigma * e, drawn anew for each upload.
    """

    def __init__(self, spec: GaussianAttack) -> None:
        """Follow `spec`."""
        self._sigma = np.float32(spec.sigma)

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """The formula above."""
        return self._sigma * draw.standard_normal(update.shape, dtype=np.float32)

    def on_upload(
        self, z: Float32Array, y: NDArray[np.int64], draw: np.random.Generator, *, classes: int
    ) -> tuple[Float32Array, NDArray[np.int64]]:
        """The formula above, with true labels."""
        return z + self._sigma * draw.standard_normal(z.shape, dtype=np.float32), y
