"""A zero update."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import ZeroAttack
from heron_ray.vectors import Float32Array


class Zero(Attack):
    """u' = 0: nothing is moved, but under the mean everybody else counts for less."""

    def __init__(self, spec: ZeroAttack) -> None:
        """Nothing to set."""

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """The formula above."""
        return np.zeros_like(update)
