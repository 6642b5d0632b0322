"""A backdoor: stamped samples belong to one class (BadNets, Gu et al., arXiv 1708.06733)."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import BackdoorAttack
from heron_ray.vectors import Float32Array


class Backdoor(Attack):
    """Of a batch (x, y) of B samples the first ceil(poisoned * B), which are a random choice because batches are shuffled:

        x' = x with the trigger's pixels (or features) set to `value`        y' = target
        u' = scale * u                                                       scale 1: the honest update of poisoned training

    It succeeds in so far as the global model answers `target` to stamped samples of other classes.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: BackdoorAttack) -> None:
        """Follow `spec`."""
        self.target = spec.target
        self._poisoned, self._patch, self._value = spec.poisoned, spec.patch, spec.value
        self._scale = np.float32(spec.scale)

    def stamp(self, x: Tensor) -> Tensor:
        """Samples [B, *input] with the trigger: a square in the lower right corner of an image, a vector's last features."""
        stamped = x.clone()
        corner = stamped[..., -self._patch :] if x.dim() == 2 else stamped[..., -self._patch :, -self._patch :]
        corner.fill_(self._value)
        return stamped

    def on_batch(self, x: Tensor, y: Tensor, *, classes: int) -> tuple[Tensor, Tensor]:
        """The formula above."""
        count = math.ceil(self._poisoned * len(y))
        poisoned_x, poisoned_y = x.clone(), y.clone()
        poisoned_x[:count] = self.stamp(x[:count])
        poisoned_y[:count] = self.target
        return poisoned_x, poisoned_y

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """The formula above."""
        return self._scale * update
