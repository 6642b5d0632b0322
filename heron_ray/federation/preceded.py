"""A rule with pre-aggregators before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from heron_ray.federation.pre_aggregator import PreAggregator
from heron_ray.federation.rule import AggregationRule, mended
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.vectors import Float32Array


class Preceded(AggregationRule):
    """Gathers the cohort, applies the steps in order, and gives what is left to the rule.

    Updates that are not finite enter the first step as zero.
    """

    def __init__(self, spec: AggregationSpec, steps: Sequence[PreAggregator], rule: AggregationRule) -> None:
        """Put `steps` before `rule`; `spec` is the section of both."""
        self._fault, self._steps, self._rule = spec.fault, steps, rule
        self._updates: list[Float32Array] = []
        self._clients: list[int | None] = []

    def add(self, update: Float32Array, samples: int, client: int | None = None) -> None:
        """Keep one client's update."""
        self._updates.append(mended(update))
        self._clients.append(client)

    def result(self, draw: np.random.Generator | None = None) -> Float32Array:
        """The joined update."""
        if not self._updates:
            raise ValueError("no update came: there is nothing to join")
        if (fault := self._fault(len(self._updates))) is not None:
            raise ValueError(fault[1])
        vectors: Sequence[Float32Array] = self._updates
        for step in self._steps:
            vectors = step.apply(vectors, draw)
        # Where there are as many vectors as clients, each still stands for one.
        clients = self._clients if len(vectors) == len(self._clients) else [None] * len(vectors)
        for vector, client in zip(vectors, clients, strict=True):
            self._rule.add(vector, 1, client)
        self._updates, self._clients = [], []
        return self._rule.result(draw)

    def state(self) -> dict[str, Float32Array]:
        """The rule's."""
        return self._rule.state()

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """The rule's."""
        self._rule.load(state)
