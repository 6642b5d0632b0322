"""FLTrust (Cao et al., "FLTrust: Byzantine-robust federated learning via trust bootstrapping", NDSS 2021, arXiv 2012.13995)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import norms
from heron_ray.federation.gathered import Gathered
from heron_ray.spec.aggregation import FltrustAggregation
from heron_ray.vectors import Float32Array


class Fltrust(Gathered):
    """With g the update that the server's own round on clean samples gives, and t_i = max(0, cos(u_i, g)):

        fltrust = 1 / (sum_i t_i)  sum_i t_i (||g|| / ||u_i||) u_i

    Zero where no update points as g does. Breakdown: none in f; the result is never longer than g and never points away from
    it, whatever clients send. It is as good as g is: one from few samples, or few probes, points nowhere in particular.
    Cost: n P.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: FltrustAggregation) -> None:
        """Follow `spec`."""
        super().__init__(spec)
        self._reference: Float32Array | None = None

    def trust(self, reference: Float32Array) -> None:
        """Take g [P]."""
        self._reference = reference

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """The formula above."""
        if self._reference is None:
            raise ValueError("fltrust measures updates by the server's own: give it one with trust()")
        reference, self._reference = self._reference.astype(np.float64), None
        length, lengths = norms([reference])[0], norms(updates)
        joined, trusted = np.zeros(len(reference)), {}
        for place, (update, norm) in enumerate(zip(updates, lengths, strict=True)):
            along = float((update * reference).sum())
            if norm > 0 and along > 0:
                trusted[place] = along / (norm * length)
                joined += trusted[place] * length / norm * update
        self.keep_only(list(trusted))
        result: Float32Array = (joined / (sum(trusted.values()) or 1.0)).astype(np.float32)
        return result
