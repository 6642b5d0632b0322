"""Clipped clustering (Li et al., 2023, arXiv 2302.07173)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.blocks import cosines, mean, norms, products, shortened
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import ClippedClusteringAggregation
from heron_ray.vectors import Float32Array

_LARGEST = float(np.finfo(np.float32).max)


class ClippedClustering(Gathered):
    """With M the median of all norms seen, this round's and those of earlier rounds:

        c_i    = u_i min(1, M / ||u_i||)
        result = mean of the larger of two clusters of the c_i, by agglomeration with average linkage
                 of the distances 1 - <c_i, c_j> / (||c_i|| ||c_j||)

    A zero update is at distance 1 from all others; of two clusters of one size, the one with the first client. The norms are
    kept in checkpoints. Breakdown: meant for f < n/2, proved for no f; a Byzantine update among the larger cluster has at most
    the norm M. Cost: n^2 P + n^2 log n.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: ClippedClusteringAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._memory = spec.memory
        self._seen = np.zeros(0, dtype=np.float32)

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        lengths = norms(updates)
        seen = np.minimum(lengths, _LARGEST).astype(np.float32)
        self._seen = np.concatenate([self._seen, seen])[-self._memory * len(updates) :]
        median = float(np.median(self._seen))
        chosen = self.keep_only(np.flatnonzero(_larger_cluster(updates)).tolist())
        return mean([updates[i] if seen[i] <= median else shortened(updates[i], lengths[i], median) for i in chosen])

    def state(self) -> dict[str, Float32Array]:
        """The norms seen so far, in the order of rounds and clients."""
        return {"norms": self._seen}

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from there."""
        self._seen = np.array(state["norms"]) if "norms" in state else np.zeros(0, dtype=np.float32)


def _larger_cluster(updates: Sequence[Float32Array]) -> NDArray[np.bool_]:
    """Which updates belong to it [n]; shortening changes no angle."""
    from sklearn.cluster import AgglomerativeClustering  # takes a second: only where it is used

    if len(updates) < 2:
        return np.ones(len(updates), dtype=bool)
    distances = 1 - cosines(products(updates))
    np.fill_diagonal(distances, 0)
    clusters = AgglomerativeClustering(n_clusters=2, metric="precomputed", linkage="average")
    labels = clusters.fit_predict(np.maximum(distances, 0))
    sizes = np.bincount(labels, minlength=2)
    larger: NDArray[np.bool_] = labels == (labels[0] if sizes[0] == sizes[1] else sizes.argmax())
    return larger
