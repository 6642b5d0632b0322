"""What min_max and min_sum share: the honest mean moved along a direction, as far as a bound on distances allows."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from heron_ray.vectors import Float32Array


def deviation(honest: Float32Array, kind: Literal["std", "unit", "sign"]) -> NDArray[np.float64]:
    """The direction p [P]: -std, -mean / ||mean|| or -sign(mean) of the honest updates [h, P]."""
    mean = honest.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean)) or 1.0
    direction: NDArray[np.float64] = {
        "std": honest.std(axis=0, dtype=np.float64),
        "unit": mean / length,
        "sign": np.sign(mean),
    }[kind]
    return -direction


def squared_distances(rows: Float32Array) -> NDArray[np.float64]:
    """||u_i - u_j||^2 [h, h], by differences in float64: exact where updates are alike."""
    distances = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows[:-1]):
        distances[i, i + 1 :] = np.square(rows[i + 1 :] - row, dtype=np.float64).sum(axis=1)
    return distances + distances.T


def furthest(a: float, b: float, c: float) -> float:
    """The largest gamma >= 0 with a gamma^2 + 2 b gamma + c <= 0; 0 where there is none or no direction."""
    inside = b * b - a * c
    return max(0.0, float((-b + np.sqrt(inside)) / a)) if a > 0 and inside >= 0 else 0.0
