"""The mean around the median (Xie et al., 2018, arXiv 1802.10116)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.around_median import mean_around_median
from heron_ray.federation.blocks import blocks
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import MeamedAggregation
from heron_ray.vectors import Float32Array


class Meamed(Gathered):
    """Per coordinate j, with N_j the n - f values nearest to the coordinate's median:

        meamed_j = 1/(n - f) sum_{i in N_j} u_ij                       2f < n

    Breakdown: with at most f Byzantine clients no coordinate lies farther from the median than the farthest honest value,
    whatever the others send: so at most one width of the honest range beyond it. Cost: n P log n.
    """  # noqa: D415 - the summary line introduces the formula

    ORDERS_NON_FINITE = True

    def __init__(self, spec: MeamedAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f = spec.f

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        keep = len(updates) - self._f
        return np.concatenate([mean_around_median(block, keep) for block in blocks(updates)])
