"""Infinity or not-a-number everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import NonFiniteAttack
from heron_ray.vectors import Float32Array


class NonFinite(Attack):
    """u' = (inf, ..., inf), or z' = the same on the smashed path. One such value ends an undefended run."""

    def __init__(self, spec: NonFiniteAttack) -> None:
        """Follow `spec`."""
        self._value = np.float32(spec.value)

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """The formula above."""
        return np.full_like(update, self._value)

    def on_upload(
        self, z: Float32Array, y: NDArray[np.int64], draw: np.random.Generator, *, classes: int
    ) -> tuple[Float32Array, NDArray[np.int64]]:
        """The formula above, with true labels."""
        return np.full_like(z, self._value), y
