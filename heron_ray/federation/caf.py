"""The covariance-bound agnostic filter (Allouah et al., 2025, arXiv 2505.01874)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from heron_ray.federation.blocks import centred, mean, products
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import CafAggregation
from heron_ray.vectors import Float32Array


class Caf(Gathered):
    """Weights c_i = 1 at first; while sum_i c_i > n - 2f:

        mu    = sum_i c_i u_i / sum_i c_i,    C = sum_i c_i (u_i - mu)(u_i - mu)^T / sum_i c_i
        l, v  = largest eigenvalue of C and its eigenvector,    t_i = <u_i - mu, v>^2
        c_i  <- c_i (1 - t_i / max_{j: c_j > 0} t_j)

    The result is the mu with the smallest l that was met. Each step brings one weight to zero, so there are at most n.
    Breakdown: 2f < n; the error is bounded by the honest updates' covariance, which need not be known. Eigenvectors are those
    of the n x n matrix of inner products, exact and not by some steps of the power method. Cost: n^2 P, and n^3 per step.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: CafAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f = spec.f

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        weights = self._weights(products(updates))
        self.keep_only(np.flatnonzero(weights).tolist())
        return mean(updates, weights)

    def _weights(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        """The c with the smallest largest eigenvalue, from the inner products of the updates [n, n]."""
        n = len(inner)
        weights = best = np.ones(n)
        least = np.inf
        while True:
            differences = centred(inner, weights)
            roots = np.sqrt(weights)
            values, vectors = torch.linalg.eigh(torch.from_numpy(roots[:, None] * differences * roots[None, :]))
            if (largest := float(values[-1]) / weights.sum()) < least:
                least, best = largest, weights
            along = np.square((differences * (roots * vectors[:, -1].numpy())).sum(axis=1))  # t_i but for a common factor
            most = along[weights > 0].max()
            if most <= 0:
                return best
            weights = np.where(weights > 0, weights * np.maximum(1 - along / most, 0), 0)
            if weights.sum() <= n - 2 * self._f:
                return best
