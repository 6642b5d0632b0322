"""Smallest maximum eigenvalue averaging (Allouah et al., ICML 2023, arXiv 2302.04787)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from heron_ray.federation.blocks import mean, products
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import SmeaAggregation
from heron_ray.vectors import Float32Array

_AT_ONCE = 2**20
"""So many numbers of subsets' matrices are held at once."""


class Smea(Gathered):
    """The mean of the n - f updates that are least spread in any direction:

        S    = argmin over subsets of size n - f of the largest eigenvalue of sum_{i in S} (u_i - mu_S)(u_i - mu_S)^T
        smea = mu_S = 1/(n - f) sum_{i in S} u_i                                                2f < n

    Of equal ones, the first in the order of clients. Breakdown: f < n/2, with an error of the best order in f/n times the
    honest updates' largest variance. Cost: n^2 P, and an eigenproblem for each of the (n choose f) subsets: specs where that
    is too much are refused.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: SmeaAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f = spec.f

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        return mean([updates[i] for i in self.keep_only(_least_spread(products(updates), len(updates) - self._f))])


def _least_spread(inner: NDArray[np.float64], size: int) -> tuple[int, ...]:
    """The subset of that size, from the inner products of all vectors [n, n]."""
    subsets = itertools.combinations(range(len(inner)), size)
    least, best = np.inf, tuple(range(size))
    while some := list(itertools.islice(subsets, max(1, _AT_ONCE // size**2))):
        members = np.array(some)
        parts = torch.from_numpy(inner[members[:, :, None], members[:, None, :]])
        parts -= parts.mean(dim=1, keepdim=True)
        parts -= parts.mean(dim=2, keepdim=True)
        largest = torch.linalg.eigvalsh(parts)[:, -1]
        if float(largest.min()) < least:
            least, best = float(largest.min()), some[int(largest.argmin())]
    return best
