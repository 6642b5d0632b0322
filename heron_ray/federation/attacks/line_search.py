"""The search for the factor with which an attack moves a rule's result most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from heron_ray.federation.attack import Cohort
from heron_ray.vectors import Float32Array

_EVALUATIONS = 20
_FIRST_STEP = 10.0
_RATIO = 0.8


def most_harmful(cohort: Cohort, forge: Callable[[float], Float32Array]) -> float:
    """The tau that maximises || rule(honest updates, f times forge(tau)) - mean of the honest updates ||.

    From 0 in steps of 10 that double as long as each is better than the last; then steps that shrink by 0.8, of which
    every better one is taken; 20 evaluations in all, each of them the rule on a whole cohort. The schedule is that of ByzFL
    (arXiv 2505.24802), which uses it for its optimal attacks.

    Args:
        cohort: What the attackers know.
        forge: Factor tau to the update [P] that they would all upload.
    """
    mean = cohort.honest.mean(axis=0, dtype=np.float64)

    def harm(tau: float) -> float:
        return float(np.linalg.norm(cohort.pooled(forge(tau)).astype(np.float64) - mean))

    best, most, step = 0.0, harm(0.0), _FIRST_STEP
    expanding = True
    for _ in range(_EVALUATIONS - 1):
        found = harm(best + step)
        better = found > most
        if better:
            best, most = best + step, found
        expanding = expanding and better
        step *= 2 if expanding else _RATIO
    return best
