"""Forged scalars in place of those of true probes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import ForgedScalarAttack
from heron_ray.vectors import Float32Array


class ForgedScalar(Attack):
    """c' = factor * c for every scalar c: a step of factor times the length along the true directions.

    With SGD, and scripts in place of updates, that is the update times factor, for the bytes of a few scalars.
    """

    def __init__(self, spec: ForgedScalarAttack) -> None:
        """Follow `spec`."""
        self._factor = np.float32(spec.factor)

    def on_scalars(
        self, seeds: Sequence[int], scalars: Float32Array, probes: int, draw: np.random.Generator
    ) -> tuple[Sequence[int], Float32Array]:
        """The formula above."""
        return seeds, self._factor * scalars
