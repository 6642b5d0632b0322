"""Centered clipping (Karimireddy et al., ICML 2021, arXiv 2012.10333)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from heron_ray.federation.blocks import norms
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import CenteredClippingAggregation
from heron_ray.vectors import Float32Array


class CenteredClipping(Gathered):
    """From the last round's result v_0 (zero at first), L times:

        v_{l+1} = v_l + 1/n sum_i (u_i - v_l) min(1, tau / ||u_i - v_l||)

    v_L is the result, and the next round's v_0: it is kept in checkpoints. Breakdown: no client moves a step by more than
    tau/n, however many are Byzantine; the paper's bound on the error is for f up to n/10 and tau of the order of the honest
    updates' spread. With tau far above it the rule is the mean. Cost: L n P.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: CenteredClippingAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._iterations, self._tau = spec.iterations, spec.tau
        self._centre: Float32Array | None = None

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        centre = np.zeros(updates[0].shape) if self._centre is None else self._centre.astype(np.float64)
        for _ in range(self._iterations):
            moved = np.zeros_like(centre)
            for update in updates:
                difference = update - centre
                (norm,) = norms([difference])
                moved += difference if norm <= self._tau else difference * (self._tau / norm)
            centre += moved / len(updates)
        self._centre = centre.astype(np.float32)
        return self._centre.copy()

    def state(self) -> dict[str, Float32Array]:
        """The centre [P], if there was a round."""
        return {} if self._centre is None else {"centre": self._centre}

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from there."""
        self._centre = np.array(state["centre"]) if "centre" in state else None
