"""How updates are joined (aggregation rules), what Byzantine clients do (attacks), how the main server is defended (defences).

Imports spec and vectors; the roles of a simulation import it.
"""

from heron_ray.federation.attack import Attack, Cohort
from heron_ray.federation.registry import make_attack, make_defence, make_rule
from heron_ray.federation.rule import AggregationRule
from heron_ray.federation.smashed_defence import SmashedDefence

__all__ = ["AggregationRule", "Attack", "Cohort", "SmashedDefence", "make_attack", "make_defence", "make_rule"]
