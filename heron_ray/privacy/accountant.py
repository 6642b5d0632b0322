"""What noise costs: (epsilon, delta) of Gaussian mechanisms, composed exactly, and of sampled ones by Renyi divergences.

A release of sensitivity s under noise of standard deviation n tells two neighbours apart as N(0, 1) and N(mu, 1), mu = s / n.
Any composition of such releases, chosen adaptively, does so as N(0, 1) and N(sqrt(sum mu^2), 1): one Gaussian mechanism
(Dong, Roth, Su, arXiv 1905.02383, corollary 3.3). So without sampling there is nothing to approximate. docs/decisions/0025
says why no package does this.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

ORDERS: Final = np.arange(2, 257, dtype=np.float64)
"""Orders alpha of the Renyi divergences that are kept."""


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The least epsilon for which Gaussian releases are (epsilon, delta)-private.

        delta(epsilon) = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)

    (Balle and Wang, arXiv 1805.06530, theorem 8), solved by bisection; the end where delta is kept is returned.

    Args:
        mu: Sensitivity in units of the noise's standard deviation; of several releases, the root of the sum of squares.
        delta: Between 0 and 1.

    Example:
        >>> round(gaussian_epsilon(1.0, 1e-5), 3)
        4.377
    """
    if mu == 0 or _log_delta(0.0, mu) <= math.log(delta):
        return 0.0
    low, high = 0.0, mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta))
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if _log_delta(middle, mu) <= math.log(delta) else (middle, high)
    return high


def sampled_renyi(mu: float, share: float) -> NDArray[np.float64]:
    """Renyi divergences at `ORDERS` of one Gaussian release over a random subset of fixed size, one member replaced.

    The subset is drawn uniformly without replacement and nobody who sees the release knows it (Wang, Balle, Kasiviswanathan,
    arXiv 1808.00087, theorem 9), with e(j) = j mu^2 / 2 and q the share:

        (alpha - 1) R(alpha) <= log(1 + q^2 C(alpha, 2) min(4 (e^e(2) - 1), 2 e^e(2))
                                      + sum_j>=3 2 q^j C(alpha, j) e^((j - 1) e(j)))

    It is never more than without sampling, alpha mu^2 / 2.

    Args:
        mu: Sensitivity of the release in units of its noise, for a replaced member that is in the subset.
        share: q, the subset's share of all.
    """
    plain: NDArray[np.float64] = ORDERS * mu * mu / 2
    if share >= 1:
        return plain
    factorials = np.array([math.lgamma(count + 1) for count in range(int(ORDERS[-1]) + 1)])
    found = np.empty_like(plain)
    for place, order in enumerate(ORDERS.astype(int)):
        j = np.arange(2, order + 1)
        chosen = factorials[order] - factorials[j] - factorials[order - j]
        terms = math.log(2) + j * math.log(share) + chosen + (j - 1) * j * mu * mu / 2
        second = math.log(4) + mu * mu + math.log(-math.expm1(-mu * mu)) if mu > 0 else -math.inf
        terms[0] += min(0.0, second - math.log(2) - mu * mu)
        found[place] = np.logaddexp.reduce([0.0, *terms]) / (order - 1)
    return np.minimum(found, plain)


def renyi_epsilon(divergences: NDArray[np.float64], delta: float) -> float:
    """An epsilon for which a mechanism with these Renyi divergences at `ORDERS` is (epsilon, delta)-private.

        epsilon = min over alpha of R(alpha) + log(1 - 1/alpha) - log(alpha delta) / (alpha - 1)

    (Balle et al., arXiv 1905.09982, theorem 21). Divergences of releases one after another add up.
    """
    found = divergences + np.log1p(-1 / ORDERS) - (np.log(ORDERS) + math.log(delta)) / (ORDERS - 1)
    return max(0.0, float(found.min()))


def _log_delta(epsilon: float, mu: float) -> float:
    """The logarithm of delta(epsilon), from logarithms of Phi, so that no epsilon is too large."""
    places = torch.tensor([mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu], dtype=torch.float64)
    upper, lower = (float(value) for value in torch.special.log_ndtr(places))
    rest = -math.expm1(min(0.0, epsilon + lower - upper))
    return upper + math.log(rest) if rest > 0 else -math.inf
