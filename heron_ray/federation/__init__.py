"""How the federation server joins clients' updates (aggregation rules), and what Byzantine clients do (attacks).

Imports spec and vectors; the roles of a simulation import it.
"""

from heron_ray.federation.attack import Attack
from heron_ray.federation.registry import make_attack, make_rule
from heron_ray.federation.rule import AggregationRule

__all__ = ["AggregationRule", "Attack", "make_attack", "make_rule"]
