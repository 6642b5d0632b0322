"""Which class belongs to which aggregation section: one line per rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from heron_ray.federation.mean import Mean
from heron_ray.federation.rule import AggregationRule
from heron_ray.spec.aggregation import AggregationSpec

RULES: Final[Mapping[str, Callable[[Any], AggregationRule]]] = {
    "mean": Mean,
}


def make_rule(spec: AggregationSpec) -> AggregationRule:
    """The rule that `spec` describes."""
    return RULES[spec.kind](spec)
