"""FoolsGold (Fung et al., 2018, arXiv 1808.04866)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.blocks import cosines, mean, products
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import FoolsGoldAggregation
from heron_ray.vectors import Float32Array

_NOTHING = 1e-9
"""Cosines closer to 1 than this are 1: vectors in float32 that point the same way differ by as much."""

_LARGEST = float(np.finfo(np.float32).max)


class FoolsGold(Gathered):
    """With H_i the sum of all updates of client i so far, c_ij = cos(H_i, H_j) for i other than j, c_ii = 0, v_i = max_j c_ij:

        c_ij <- c_ij v_i / v_j                where v_j > v_i: an honest client is not punished for what resembles it
        a_i   = 1 - max_j c_ij, held between 0 and 1;   a_i <- a_i / max_j a_j, at most 0.99
        a_i  <- ln(a_i / (1 - a_i)) + 0.5, held between 0 and 1
        result = sum_i a_i u_i / sum_i a_i    zero where all a_i are: all clients look like one

    The paper adds a_i u_i up without dividing, which suits gradients; divided, the result is a mean as with all other
    rules. H is kept in checkpoints: one vector per client ever seen. Breakdown: bears any number of Byzantine clients that
    push the same way and nobody who does so alone; honest clients with like data count as one attacker too. Cost: n^2 P.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: FoolsGoldAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._history: dict[int, Float32Array] = {}

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        histories = []
        for client, update in zip(self._clients, updates, strict=True):
            if client is None:
                raise ValueError("fools_gold must know whose update each one is")
            earlier = self._history.get(client, np.zeros_like(update)).astype(np.float64)
            self._history[client] = np.clip(earlier + update, -_LARGEST, _LARGEST).astype(np.float32)
            histories.append(self._history[client])
        alike = cosines(products(histories))
        np.fill_diagonal(alike, 0)
        weights = _weights(alike)
        self.keep_only(np.flatnonzero(weights).tolist())
        return mean(updates, weights) if weights.any() else np.zeros_like(updates[0])

    def state(self) -> dict[str, Float32Array]:
        """H_i by client."""
        return {f"history.{client}": vector for client, vector in sorted(self._history.items())}

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from there."""
        self._history = {int(name.removeprefix("history.")): np.array(vector) for name, vector in state.items()}


def _weights(similar: NDArray[np.float64]) -> NDArray[np.float64]:
    """a_i [n]."""
    most = similar.max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pardon = np.where(most[None, :] > most[:, None], most[:, None] / most[None, :], 1)
        alike: NDArray[np.float64] = np.clip(1 - (similar * pardon).max(axis=1), 0, 1)
        alike[alike < _NOTHING] = 0
        if not alike.any():
            return alike
        scaled = np.minimum(alike / alike.max(), 0.99)
        weights: NDArray[np.float64] = np.clip(np.log(scaled / (1 - scaled)) + 0.5, 0, 1)
        return weights
