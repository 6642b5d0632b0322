"""A little is enough (Baruch et al., NeurIPS 2019, arXiv 1902.06156), on updates and on smashed data."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.federation.attacks.line_search import most_harmful
from heron_ray.spec.attack import AlieAttack
from heron_ray.vectors import Float32Array

_ALMOST_ALL = 0.999
"""Where the attackers are a majority z_max is infinite; this many honest clients behind it must do."""


class Alie(Attack):
    """u' = m + tau * s per coordinate, with m the mean and s the standard deviation (h - 1) of the h honest updates:

        tau as given, searched against the configured rule, or z_max = Phi^-1((n - f - k) / (n - f)), k = floor(n/2 + 1) - f

    k is how many honest clients must be won over to make a majority with the f attackers of n clients; with k at half the
    honest clients or more, z_max is 0. On the smashed path m and s are those of the client's own batch, per feature, and every
    sample of the upload becomes m + tau * s: within the usual range, on the side that all colluding clients agreed on.
    """  # noqa: D415 - the summary line introduces the formula

    needs_cohort = True

    def __init__(self, spec: AlieAttack) -> None:
        """Follow `spec`."""
        self._tau, self._optimal = spec.tau, spec.optimal

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """The formula above."""
        mean, deviation = _moments(cohort.honest)

        def forge(tau: float) -> Float32Array:
            forged: Float32Array = (mean + tau * deviation).astype(np.float32)
            return forged

        if self._optimal:
            return forge(most_harmful(cohort, forge))
        return forge(z_max(len(cohort.honest) + cohort.byzantine, cohort.byzantine) if self._tau is None else self._tau)

    def on_upload(
        self, z: Float32Array, y: NDArray[np.int64], draw: np.random.Generator, *, classes: int
    ) -> tuple[Float32Array, NDArray[np.int64]]:
        """The formula above, with true labels."""
        mean, deviation = _moments(z)
        forged = (mean + (self._tau or 0.0) * deviation).astype(np.float32)
        return np.broadcast_to(forged, z.shape).copy(), y


def z_max(n: int, f: int) -> float:
    """The largest shift that hides among enough honest clients, in standard deviations.

    >>> round(z_max(50, 12), 2)
    0.34
    """
    needed = n // 2 + 1 - f
    return max(0.0, NormalDist().inv_cdf(min(max((n - f - needed) / (n - f), 0.5), _ALMOST_ALL)))


def _moments(rows: Float32Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of rows [n, ...]; a single row has none."""
    deviation = rows.std(axis=0, ddof=1, dtype=np.float64) if len(rows) > 1 else np.zeros(rows.shape[1:])
    return rows.mean(axis=0, dtype=np.float64), deviation
