"""Clipping updates to a fixed norm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import norms, shortened
from heron_ray.federation.pre_aggregator import PreAggregator
from heron_ray.spec.pre_aggregation import StaticClippingSection
from heron_ray.vectors import Float32Array


class StaticClipping(PreAggregator):
    """u_i <- u_i min(1, c / ||u_i||): no update is longer than c, which suits only if honest norms are known. Cost: n P."""

    def __init__(self, spec: StaticClippingSection) -> None:
        """Follow `spec`."""
        self._c = spec.c

    def apply(self, updates: Sequence[Float32Array], draw: np.random.Generator | None) -> Sequence[Float32Array]:
        """The formula above."""
        return [shortened(update, norm, self._c) for update, norm in zip(updates, norms(updates), strict=True)]
