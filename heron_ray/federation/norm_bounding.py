"""Norm bounding (Sun et al., 2019, "Can you really backdoor federated learning?", arXiv 1911.07963)."""

from __future__ import annotations

from heron_ray.federation.blocks import norms, shortened
from heron_ray.federation.mean import Mean
from heron_ray.federation.rule import mended
from heron_ray.spec.aggregation import MeanAggregation, NormBoundingAggregation
from heron_ray.vectors import Float32Array


class NormBounding(Mean):
    """The mean of the updates, each shortened to a largest norm M; taken as updates come:

        1/n sum_i u_i min(1, M / ||u_i||)

    Breakdown: f Byzantine clients, however many, move the result by at most 2 f M / n; nothing keeps it near honest updates
    beyond that. Cost: n P, and memory for one vector.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: NormBoundingAggregation) -> None:
        """Follow `spec`."""
        super().__init__(MeanAggregation(kind="mean"))
        self._max_norm = spec.max_norm

    def add(self, update: Float32Array, samples: int, client: int | None = None) -> None:
        """Add one client."""
        update = mended(update)
        (norm,) = norms([update])
        super().add(shortened(update, norm, self._max_norm), samples, client)
