"""SignGuard (Xu et al., 2021, arXiv 2109.05872)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.blocks import mean, norms, shortened
from heron_ray.federation.gathered import Gathered
from heron_ray.federation.mean_shift import largest_cluster
from heron_ray.federation.rule import needed
from heron_ray.spec.aggregation import SignGuardAggregation
from heron_ray.vectors import Float32Array


class SignGuard(Gathered):
    """With M the median norm, and each update's shares of positive, zero and negative values on coordinates drawn anew:

        S1 = { i : lower M <= ||u_i|| <= upper M }
        S2 = the largest cluster of the n triples of shares, by mean shift
        result = mean over S1 and S2 of u_i min(1, M / ||u_i||)        over S1 alone where none is in both

    Breakdown: meant for f < n/2, proved for no f; a Byzantine update that passes has at most the median norm. The mean shift is
    the plain one with a flat kernel, its bandwidth the mean distance of a triple to its n/2 nearest. Cost: n P + n^2 per shift.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: SignGuardAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._lower, self._upper, self._share = spec.lower, spec.upper, spec.coordinates

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        lengths = norms(updates)
        median = float(np.median(lengths))
        usual = (self._lower * median <= lengths) & (lengths <= self._upper * median)
        both = usual & largest_cluster(self._signs(updates))
        chosen = np.flatnonzero(both if both.any() else usual).tolist()
        return mean([shortened(updates[i], lengths[i], median) for i in self.keep_only(chosen)])

    def _signs(self, updates: Sequence[Float32Array]) -> NDArray[np.float64]:
        """Shares of positive, zero and negative values [n, 3]."""
        length = len(updates[0])
        seen = np.sort(needed(self._draw).choice(length, size=max(1, round(self._share * length)), replace=False))
        signs = (np.sign(update[seen]) for update in updates)
        return np.array([[np.mean(one > 0), np.mean(one == 0), np.mean(one < 0)] for one in signs])
