"""Sign flipping: the update reversed."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import SignFlipAttack
from heron_ray.vectors import Float32Array


class SignFlip(Attack):
    """u' = -scale * u, with u the client's own update after its local steps.

    Under the mean the cohort then descends sum_honest L_i - scale * sum_byzantine L_j, which has no lower bound: however
    few the Byzantine clients are, it falls for ever where the loss on their samples grows.
    """

    def __init__(self, spec: SignFlipAttack) -> None:
        """Follow `spec`."""
        self._factor = np.float32(-spec.scale)

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """The formula above."""
        return self._factor * update
