"""Smashed data stretched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import NormInflationAttack
from heron_ray.vectors import Float32Array


class NormInflation(Attack):
    """z' = scale * z with true labels: the gradient of the back model's first layer grows with it, and so do its steps."""

    def __init__(self, spec: NormInflationAttack) -> None:
        """Follow `spec`."""
        self._scale = np.float32(spec.scale)

    def on_upload(
        self, z: Float32Array, y: NDArray[np.int64], draw: np.random.Generator, *, classes: int
    ) -> tuple[Float32Array, NDArray[np.int64]]:
        """The formula above."""
        return self._scale * z, y
