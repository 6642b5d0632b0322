"""Mean shift with a flat kernel, and the largest of the clusters it finds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHIFTS = 300
_STILL = 1e-3
"""A centre that moves by less than this share of the bandwidth has arrived."""

Points = NDArray[np.float64]


def largest_cluster(points: Points) -> NDArray[np.bool_]:
    """Which of n points [n, D] belong to the largest cluster [n].

    Every point starts a centre, which moves to the mean of the points within the bandwidth until it stands still. Centres
    within a bandwidth of one with more points around it are dropped; each point belongs to the nearest centre left. The
    bandwidth is the mean over the points of the distance to the floor(n/2)-th nearest, the point itself counted; at least
    to the second, where there are two.
    """
    neighbours = min(len(points), max(2, len(points) // 2))
    bandwidth = float(np.sort(_distances(points, points), axis=1)[:, neighbours - 1].mean())
    centres = _arrived(points, bandwidth)
    crowd = (_distances(centres, points) <= bandwidth).sum(axis=1)
    kept: list[int] = []
    for one in np.lexsort((*centres.T[::-1], crowd))[::-1]:
        if not kept or _distances(centres[one][None], centres[kept]).min() > bandwidth:
            kept.append(int(one))
    labels = _distances(points, centres[kept]).argmin(axis=1)
    largest: NDArray[np.bool_] = labels == np.bincount(labels).argmax()
    return largest


def _arrived(points: Points, bandwidth: float) -> Points:
    """Where the centres come to rest [n, D]."""
    centres, moving = points.copy(), np.ones(len(points), dtype=bool)
    for _ in range(_SHIFTS):
        near = _distances(centres[moving], points) <= bandwidth
        means = np.stack([points[row].mean(axis=0) for row in near])
        moved = np.sqrt(np.square(means - centres[moving]).sum(axis=1))
        centres[moving] = means
        moving[moving] = moved > _STILL * bandwidth
        if not moving.any():
            break
    return centres


def _distances(a: Points, b: Points) -> Points:
    """Euclidean distances [len(a), len(b)], coordinate by coordinate."""
    squares = np.zeros((len(a), len(b)))
    for one, other in zip(a.T, b.T, strict=True):
        squares += np.square(one[:, None] - other[None, :])
    return np.sqrt(squares)
