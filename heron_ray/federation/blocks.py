"""Arithmetic on a cohort's updates that takes little memory beside them, whatever their number and length.

Sums are in float64 and in an order that depends on n and P alone. Matrix products are torch's: their bits may depend on the
number of threads inside an operation, which the spec fixes (`compute.threads`), and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from heron_ray.federation.rule import mended
from heron_ray.vectors import Float32Array

_BLOCK = 8192
"""Coordinates taken at a time."""

_ROWS = 128
"""Rows of a symmetric product computed at a time: of each strip only what lies right of the diagonal."""


def blocks(updates: Sequence[Float32Array]) -> Iterator[Float32Array]:
    """The updates [n, P] in blocks of coordinates [n, up to 8192]."""
    for start in range(0, len(updates[0]), _BLOCK):
        yield np.stack([update[start : start + _BLOCK] for update in updates])


def products(updates: Sequence[Float32Array]) -> NDArray[np.float64]:
    """All inner products <u_i, u_j> [n, n], symmetric to the bit; the updates are finite."""
    n = len(updates)
    upper = torch.zeros(n, n, dtype=torch.float64)
    for block in blocks(updates):
        columns = torch.from_numpy(block).to(torch.float64)
        for start in range(0, n, _ROWS):
            upper[start : start + _ROWS, start:] += columns[start : start + _ROWS] @ columns[start:].T
    symmetric: NDArray[np.float64] = (torch.triu(upper) + torch.triu(upper, diagonal=1).T).numpy()
    return symmetric


def squared_distances(updates: Sequence[Float32Array]) -> NDArray[np.float64]:
    """||u_i - u_j||^2 [n, n] = <u_i, u_i> + <u_j, u_j> - 2 <u_i, u_j>, never negative, zero on the diagonal.

    The error is about 1e-15 of the squared norms of u_i and u_j, whatever a third client sends: so there is no common
    centre, which one huge update would move far from all others. It matters only where updates agree in all but the last
    of their digits. An update that is not finite is infinitely far from all others.
    """
    finite = np.array([bool(np.isfinite(update).all()) for update in updates])
    inner = products([mended(update) for update in updates])
    squares = inner.diagonal()
    distances: NDArray[np.float64] = np.maximum(squares[:, None] + squares[None, :] - 2 * inner, 0)
    distances[~finite, :] = np.inf
    distances[:, ~finite] = np.inf
    np.fill_diagonal(distances, 0)
    return distances


def cosines(inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """<u_i, u_j> / (||u_i|| ||u_j||) [n, n] from the inner products [n, n]; 0 where a vector is zero."""
    lengths = np.sqrt(inner.diagonal())
    scales = np.where(lengths > 0, lengths, 1)
    result: NDArray[np.float64] = inner / (scales[:, None] * scales[None, :])
    return result


def centred(inner: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products [n, n] of the vectors minus their mean weighted by `weights` [n], from those of the vectors themselves."""
    share = weights / weights.sum()
    towards = (inner * share).sum(axis=1)
    result: NDArray[np.float64] = inner - towards[:, None] - towards[None, :] + float((share * towards).sum())
    return result


def norms(vectors: Iterable[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Euclidean norms [n]."""
    found: NDArray[np.float64] = np.sqrt([np.square(vector, dtype=np.float64).sum() for vector in vectors])
    return found


def mean(updates: Sequence[Float32Array], weights: Sequence[float] | NDArray[np.float64] | None = None) -> Float32Array:
    """sum_i w_i u_i / sum_i w_i, summed in order in float64; w_i = 1 where none are given."""
    total, weight = np.zeros(updates[0].shape, dtype=np.float64), 0.0
    for update, share in zip(updates, [1.0] * len(updates) if weights is None else weights, strict=True):
        total += update.astype(np.float64) if weights is None else float(share) * update.astype(np.float64)
        weight += float(share)
    averaged: Float32Array = (total / weight).astype(np.float32)
    return averaged


def shortened(update: Float32Array, norm: float, most: float) -> Float32Array:
    """The update, scaled down to the norm `most` where its own norm is larger."""
    return update if norm <= most else (update.astype(np.float64) * (most / norm)).astype(np.float32)
