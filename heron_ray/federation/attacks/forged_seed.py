"""Wrong or replayed seeds beside true scalars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import ForgedSeedAttack
from heron_ray.vectors import Float32Array


class ForgedSeed(Attack):
    """Of the pairs (s_i, c_i) of h steps with q probes each:

    wrong:      (s'_i, c_i) with s' drawn anew: steps of honest length in directions that nobody probed
    replayed:   (s_(i mod q), c_(i mod q)): the first step's pairs h times, each of them genuine
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: ForgedSeedAttack) -> None:
        """Follow `spec`."""
        self._replayed = spec.seeds == "replayed"

    def on_scalars(
        self, seeds: Sequence[int], scalars: Float32Array, probes: int, draw: np.random.Generator
    ) -> tuple[Sequence[int], Float32Array]:
        """The formula above."""
        if not self._replayed:
            return [int(seed) for seed in draw.integers(2**64, size=len(seeds), dtype=np.uint64)], scalars
        steps = len(seeds) // probes
        return [*seeds[:probes]] * steps, np.tile(scalars[:probes], steps)
