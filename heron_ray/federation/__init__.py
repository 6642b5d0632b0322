"""How the federation server joins clients' updates: aggregation rules. Pure numpy; imports spec."""

from heron_ray.federation.registry import make_rule
from heron_ray.federation.rule import AggregationRule

__all__ = ["AggregationRule", "make_rule"]
