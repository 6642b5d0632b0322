"""What every attack offers."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from heron_ray.vectors import Float32Array


class Attack:
    """What a Byzantine client does differently from an honest one: a subclass replaces what it attacks.

    The attacker knows its own update and data only, follows the protocol otherwise, and its bytes and losses are counted
    like those of the others.
    """

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """What is uploaded [P] instead of the client's update [P]; noise comes from `draw` only."""
        return update

    def on_labels(self, y: Tensor, *, classes: int) -> Tensor:
        """The labels [B] used instead of a batch's labels y [B], which are 0 to classes - 1."""
        return y
