"""The coordinate-wise trimmed mean (Yin et al., ICML 2018, arXiv 1803.01498)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import blocks
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import TrimmedMeanAggregation
from heron_ray.vectors import Float32Array


class TrimmedMean(Gathered):
    """Per coordinate j, with the n values sorted, x_(1) <= ... <= x_(n), and those that are not a number last:

        trimmed_j = 1/(n - 2f) sum_{i=f+1..n-f} x_(i)                  2f < n

    f = 0 is the mean. Breakdown: with at most f Byzantine clients each coordinate lies between the honest clients'
    smallest and largest value, whatever the others send; f can be at most (n - 1)/2.
    """  # noqa: D415 - the summary line introduces the formula

    ORDERS_NON_FINITE = True

    def __init__(self, spec: TrimmedMeanAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f = spec.f

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above; summed in float64."""
        return np.concatenate([self._trimmed(block) for block in blocks(updates)])

    def _trimmed(self, updates: Float32Array) -> Float32Array:
        ordered = np.sort(updates, axis=0)
        kept = ordered[self._f : len(ordered) - self._f]
        mean: Float32Array = kept.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean
