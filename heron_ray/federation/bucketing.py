"""Bucketing (Karimireddy et al., ICLR 2022, arXiv 2006.09365)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.federation.blocks import mean
from heron_ray.federation.pre_aggregator import PreAggregator
from heron_ray.federation.rule import needed
from heron_ray.spec.pre_aggregation import BucketingSection
from heron_ray.vectors import Float32Array


class Bucketing(PreAggregator):
    """With p a random order of the n updates, drawn anew in every round, ceil(n/s) vectors:

        b_k = mean of u_{p(ks)}, ..., u_{p(ks + s - 1)}                k = 0, 1, ...; the last may hold fewer

    Buckets differ less than updates do, by s in variance, but f Byzantine clients may spoil f of them: a rule after it
    must bear f of ceil(n/s). Cost: n P.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, spec: BucketingSection) -> None:
        """Follow `spec`."""
        self._s = spec.s

    def apply(self, updates: Sequence[Float32Array], draw: np.random.Generator | None) -> Sequence[Float32Array]:
        """The formula above."""
        order = needed(draw).permutation(len(updates))
        buckets = (order[start : start + self._s] for start in range(0, len(order), self._s))
        return [mean([updates[i] for i in bucket]) for bucket in buckets]
