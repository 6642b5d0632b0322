"""Adaptive robust clipping (Allouah et al., ICLR 2025, arXiv 2405.14432)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import norms, shortened
from heron_ray.federation.pre_aggregator import PreAggregator
from heron_ray.spec.pre_aggregation import ArcSection
from heron_ray.vectors import Float32Array


class Arc(PreAggregator):
    """With k = floor(2 (f/n) (n - f)) and c the (k+1)-th largest norm:

        u_i <- u_i min(1, c / ||u_i||)                                 2f < n

    So the k longest are shortened; k is at least f, so that the threshold is no larger than an honest client's norm. The bound
    of the rule after it stays as it is. Cost: n P.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: ArcSection) -> None:
        """Follow `spec`."""
        self._f = spec.f

    def apply(self, updates: Sequence[Float32Array], draw: np.random.Generator | None) -> Sequence[Float32Array]:
        """The formula above; k is counted in whole numbers."""
        n, lengths = len(updates), norms(updates)
        clipped = 2 * self._f * (n - self._f) // n
        threshold = np.sort(lengths)[n - clipped - 1]
        return [shortened(update, norm, threshold) for update, norm in zip(updates, lengths, strict=True)]
