"""The coordinate-wise median (Yin et al., ICML 2018, arXiv 1803.01498)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import blocks
from heron_ray.federation.gathered import Gathered
from heron_ray.vectors import Float32Array


class Median(Gathered):
    """Per coordinate j, with the n values sorted, x_(1) <= ... <= x_(n), and those that are not a number last:

        median_j = x_((n+1)/2)                           n odd
        median_j = [x_(n/2) + x_(n/2+1)] / 2             n even

    Breakdown: with fewer than n/2 Byzantine clients each coordinate lies between the honest clients' smallest and
    largest value, whatever the others send.
    """  # noqa: D415 - the summary line introduces the formula

    ORDERS_NON_FINITE = True

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        return np.concatenate([_median(block) for block in blocks(updates)])


def _median(updates: Float32Array) -> Float32Array:
    # np.median would give NaN wherever a single client sends one.
    ordered = np.sort(updates, axis=0)
    n = len(ordered)
    middle = ordered[(n - 1) // 2 : n // 2 + 1]
    median: Float32Array = middle.mean(axis=0, dtype=np.float64).astype(np.float32)
    return median
