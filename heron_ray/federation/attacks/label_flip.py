"""Label flipping: false labels, in training or on the smashed path alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import LabelFlipAttack
from heron_ray.vectors import Float32Array


class LabelFlip(Attack):
    """y' = C - 1 - y for C classes.

    In split learning the labels travel with the smashed data, so the main server trains on y' too; with `path: smashed`
    the main server alone does, and the client's own update is honest.
    """

    def __init__(self, spec: LabelFlipAttack) -> None:
        """Nothing to set."""

    def on_batch(self, x: Tensor, y: Tensor, *, classes: int) -> tuple[Tensor, Tensor]:
        """The formula above."""
        return x, classes - 1 - y

    def on_upload(
        self, z: Float32Array, y: NDArray[np.int64], draw: np.random.Generator, *, classes: int
    ) -> tuple[Float32Array, NDArray[np.int64]]:
        """The formula above."""
        return z, classes - 1 - y
