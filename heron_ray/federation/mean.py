"""The mean of the updates, streaming: memory does not grow with the cohort."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.rule import AggregationRule
from heron_ray.spec.aggregation import MeanAggregation
from heron_ray.vectors import Float32Array


class Mean(AggregationRule):
    """sum_i w_i u_i / sum_i w_i, with w_i = 1 (HERON, SplitFed) or n_i (FSL-SAGE, FedAvg); summed in float64."""

    def __init__(self, spec: MeanAggregation) -> None:
        """Follow `spec`."""
        self._by_samples = spec.weights == "samples"
        self._sum: NDArray[np.float64] | None = None
        self._weight = 0.0

    def add(self, update: Float32Array, samples: int, client: int | None = None) -> None:
        """Add one client."""
        weight = float(samples) if self._by_samples else 1.0
        if self._sum is None:
            self._sum = np.zeros(update.shape, dtype=np.float64)
        self._sum += weight * update.astype(np.float64)
        self._weight += weight

    def result(self, draw: np.random.Generator | None = None) -> Float32Array:
        """The mean."""
        if self._sum is None:
            raise ValueError("the mean of no updates is not defined")
        mean = (self._sum / self._weight).astype(np.float32)
        self._sum, self._weight = None, 0.0
        return mean
