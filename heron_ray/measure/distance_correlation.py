"""Distance correlation: how far two sets of vectors, sample by sample, depend on one another; 0 only for independent ones.

Shapes: n = samples.
"""

from __future__ import annotations

import torch
from torch import Tensor


def distance_correlation(x: Tensor, z: Tensor) -> float:
    """The bias-corrected squared distance correlation R*(x, z) of Szekely and Rizzo (arXiv 1310.2926).

    With a_ij = |x_i - x_j|, row sums a_i and total a, distances are centred to

        A_ij = a_ij - a_i / (n - 2) - a_j / (n - 2) + a / ((n - 1) (n - 2)),   A_ii = 0

    and B in the same way from z. With (A . B) = sum_ij A_ij B_ij, R* = (A . B) / sqrt((A . A) (B . B)). Its expectation for
    independent samples is near 0 whatever the dimensions, where the usual (biased) estimate tends to 1 in many dimensions and
    few samples. So it may be slightly negative. It is 1 where z is x, scaled, moved or turned.

    Args:
        x: [n, ...], n at least 4; samples are flattened.
        z: [n, ...].

    Returns:
        R*; 0 where x or z are all alike.
    """
    one, other = _centred(x), _centred(z)
    scale = torch.sqrt((one * one).sum() * (other * other).sum())
    return float((one * other).sum() / scale) if scale > 0 else 0.0


def _centred(samples: Tensor) -> Tensor:
    """U-centred distances [n, n] in double precision."""
    rows = samples.reshape(len(samples), -1).double().cpu()
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    n, sums = len(rows), distances.sum(dim=1)
    centred = distances - (sums[:, None] + sums[None, :]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    return centred.fill_diagonal_(0.0)
