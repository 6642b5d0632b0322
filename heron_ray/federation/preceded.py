"""A rule with pre-aggregators before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heron_ray.federation.gathered import Gathered
from heron_ray.federation.pre_aggregator import PreAggregator
from heron_ray.federation.rule import AggregationRule
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.vectors import Float32Array


class Preceded(Gathered):
    """Gathers the cohort, applies the steps in order, and gives what is left to the rule.

    Updates that are not finite enter the first step as zero.
    """

    def __init__(self, spec: AggregationSpec, steps: Sequence[PreAggregator], rule: AggregationRule) -> None:
        """Put `steps` before `rule`; `spec` is the section of both."""
        super().__init__(spec)
        # Of the steps and of the rule, which sees what the steps leave.
        self._bound = spec.fault
        self._steps, self._rule = steps, rule

    def join(self, updates: Sequence[Float32Array]) -> Float32Array:
        """What the rule makes of what the steps leave."""
        vectors = updates
        for step in self._steps:
            vectors = step.apply(vectors, self._draw)
        # Where there are as many vectors as clients, each still stands for one.
        clients = self._clients if len(vectors) == len(self._clients) else [None] * len(vectors)
        for vector, client in zip(vectors, clients, strict=True):
            self._rule.add(vector, 1, client)
        joined = self._rule.result(self._draw)
        self.left_out = self._rule.left_out if len(vectors) == len(self._clients) else ()
        return joined

    def state(self) -> dict[str, Float32Array]:
        """The rule's."""
        return self._rule.state()

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """The rule's."""
        self._rule.load(state)
