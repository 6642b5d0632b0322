"""Local model poisoning against Krum (Fang et al., USENIX Security 2020, arXiv 1911.11815)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.federation.attacks.hidden_shift import squared_distances
from heron_ray.spec.attack import FangKrumAttack
from heron_ray.vectors import Float32Array

_SMALLEST = 1e-5
"""Of lambda, as in the paper."""


class FangKrum(Attack):
    """u' = -lambda * sign(m), the same for all f attackers, with m the mean of the h honest updates u_i of P parameters.

    lambda is halved from the paper's upper bound until Krum, told f, chooses u', or lambda falls below 1e-5:

        sqrt( min_i sum_{j in N_i} ||u_i - u_j||^2 / ((h - f - 1) P) ) + max_i ||u_i|| / sqrt(P)

    with N_i the h - 2 honest updates nearest to u_i, and 1 in place of an h - f - 1 below it.
    """

    needs_cohort = True

    def __init__(self, spec: FangKrumAttack) -> None:
        """Nothing to set."""

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        honest, f = cohort.honest, cohort.byzantine
        direction = -np.sign(honest.mean(axis=0, dtype=np.float64)).astype(np.float32)
        size = honest.shape[1]
        neighbours = np.sort(squared_distances(honest), axis=1)[:, 1 : max(len(honest) - 1, 1)].sum(axis=1)
        norms = np.linalg.norm(honest.astype(np.float64), axis=1)
        lam = float(np.sqrt(neighbours.min() / (max(len(honest) - f - 1, 1) * size)) + norms.max() / np.sqrt(size))
        while lam >= _SMALLEST and not _krum_chooses(np.float32(lam) * direction, honest, f):
            lam /= 2
        forged: Float32Array = np.float32(lam) * direction
        return forged


def _krum_chooses(forged: Float32Array, honest: Float32Array, f: int) -> bool:
    """Whether one of the f equal forged updates has the smallest Krum score."""
    rows = np.concatenate([honest, np.broadcast_to(forged, (f, len(forged)))])
    kept = max(len(rows) - f - 2, 1)
    scores = np.sort(squared_distances(rows), axis=1)[:, 1 : kept + 1].sum(axis=1)
    return int(scores.argmin()) >= len(honest)
