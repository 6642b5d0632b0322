"""The mean of the values of each coordinate that are nearest to its median."""

from __future__ import annotations

import numpy as np

from heron_ray.vectors import Float32Array


def mean_around_median(block: Float32Array, keep: int) -> Float32Array:
    """The mean [C] of the `keep` values nearest to the median, of each column of a block [n, C].

    With the values sorted, those that are not a number last, the nearest ones stand side by side: the end that is farther
    from the median is dropped, until `keep` are left; of two ends equally far, the upper one. The order of the rows changes
    no bit.
    """
    n = len(block)
    ordered = np.sort(block, axis=0)
    median = ordered[(n - 1) // 2 : n // 2 + 1].mean(axis=0, dtype=np.float64)
    columns = np.arange(ordered.shape[1])
    low = np.zeros(ordered.shape[1], dtype=np.intp)
    high = low + (n - 1)
    with np.errstate(invalid="ignore"):
        for _ in range(n - keep):
            # False where the upper end is not a number, so that it is the one to go.
            upper_stays = ordered[high, columns] - median < median - ordered[low, columns]
            low += upper_stays
            high -= ~upper_stays
    rows = np.arange(n)[:, None]
    kept = np.where((rows >= low) & (rows <= high), ordered, np.float32(0))
    mean: Float32Array = (kept.sum(axis=0, dtype=np.float64) / keep).astype(np.float32)
    return mean
