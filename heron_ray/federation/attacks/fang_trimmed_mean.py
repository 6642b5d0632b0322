"""Local model poisoning against the trimmed mean and the median (Fang et al., USENIX Security 2020, arXiv 1911.11815)."""

from __future__ import annotations

import numpy as np

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.spec.attack import FangTrimmedMeanAttack
from heron_ray.vectors import Float32Array


class FangTrimmedMean(Attack):
    """Per coordinate, with m the honest mean and [low, high] the range of the honest values, each attacker draws uniformly:

        m > 0:  from [low / b, low] if low > 0, else [b low, low]
        m <= 0: from [high, b high] if high > 0, else [high, high / b]

    so that every forged value is the outermost one on the side away from where honest clients go.
    """  # noqa: D415 - the summary line introduces the formula

    needs_cohort = True

    def __init__(self, spec: FangTrimmedMeanAttack) -> None:
        """Follow `spec`."""
        self._b = spec.b

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        b, honest = self._b, cohort.honest
        low, high = honest.min(axis=0).astype(np.float64), honest.max(axis=0).astype(np.float64)
        below = np.where(low > 0, low / b, b * low)
        above = np.where(high > 0, b * high, high / b)
        upwards = honest.mean(axis=0, dtype=np.float64) > 0
        near, far = np.where(upwards, low, high), np.where(upwards, below, above)
        shares = cohort.draw.random((cohort.byzantine, honest.shape[1]))
        forged: Float32Array = (near + shares * (far - near)).astype(np.float32)
        return forged
