"""Sign flipping: the update, or the smashed data, reversed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import SignFlipAttack
from heron_ray.vectors import Float32Array


class SignFlip(Attack):
    """u' = -scale * u, with u the client's own update after its local steps, or z' = -scale * z with its smashed data.

    Under the mean the cohort then descends sum_honest L_i - scale * sum_byzantine L_j, which has no lower bound: however
    few the Byzantine clients are, it falls for ever where the loss on their samples grows.
    """

    def __init__(self, spec: SignFlipAttack) -> None:
        """Follow `spec`."""
        self._factor = np.float32(-spec.scale)

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """The formula above."""
        return self._factor * update

    def on_upload(
        self, z: Float32Array, y: NDArray[np.int64], draw: np.random.Generator, *, classes: int
    ) -> tuple[Float32Array, NDArray[np.int64]]:
        """The formula above, with true labels."""
        return self._factor * z, y
