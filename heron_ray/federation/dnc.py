"""Divide and conquer (Shejwalkar and Houmansadr, NDSS 2021, "Manipulating the Byzantine")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from heron_ray.federation.blocks import mean
from heron_ray.federation.gathered import Gathered
from heron_ray.federation.rule import needed
from heron_ray.spec.aggregation import DncAggregation
from heron_ray.vectors import Float32Array


class Dnc(Gathered):
    """Several times, on coordinates R drawn anew:

        mu   = mean of the u_i on R,   v = top right singular vector of the rows u_i - mu on R
        s_i  = <u_i - mu, v>^2;        the f updates with the largest s_i stand out             2f < n

    The result is the mean of the updates that never stood out; where there are none, of those that did so least often. Equal
    s_i are ordered by the clients' order. Breakdown: Byzantine updates that differ from the honest ones in a common direction,
    by more than the honest ones differ among each other, are left out; the paper's bound on what remains holds for f < n/2 and
    honest updates drawn independently. Cost: n^2 |R| + n^3 for each look.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: DncAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._f, self._sub_dim, self._iterations = spec.f, spec.sub_dim, spec.iterations

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        draw, length = needed(self._draw), len(updates[0])
        stood_out = np.zeros(len(updates), dtype=np.intp)
        for _ in range(self._iterations):
            seen = np.sort(draw.choice(length, size=min(self._sub_dim, length), replace=False))
            order = np.argsort(_scores(np.stack([update[seen] for update in updates])), kind="stable")
            stood_out[order[len(updates) - self._f :]] += 1
        return mean([updates[i] for i in self.keep_only(np.flatnonzero(stood_out == stood_out.min()).tolist())])


def _scores(rows: Float32Array) -> NDArray[np.float64]:
    """s_i [n] but for a common factor, from the rows [n, R]: squares of the top left singular vector's entries."""
    differences = torch.from_numpy(rows).to(torch.float64)
    differences -= differences.mean(dim=0)
    scores: NDArray[np.float64] = torch.linalg.eigh(differences @ differences.T)[1][:, -1].square().numpy()
    return scores
