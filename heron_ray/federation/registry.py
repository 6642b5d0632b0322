"""Which class belongs to which section of `aggregation` and of `attack`: one line per rule and per attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from heron_ray.federation.attack import Attack
from heron_ray.federation.gaussian import Gaussian
from heron_ray.federation.krum import Krum
from heron_ray.federation.label_flip import LabelFlip
from heron_ray.federation.mean import Mean
from heron_ray.federation.median import Median
from heron_ray.federation.rule import AggregationRule
from heron_ray.federation.sign_flip import SignFlip
from heron_ray.federation.trimmed_mean import TrimmedMean
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.attack import AttackSpec

RULES: Final[Mapping[str, Callable[[Any], AggregationRule]]] = {
    "krum": Krum,
    "mean": Mean,
    "median": Median,
    "trimmed_mean": TrimmedMean,
}

ATTACKS: Final[Mapping[str, Callable[[Any], Attack]]] = {
    "gaussian": Gaussian,
    "label_flip": LabelFlip,
    "sign_flip": SignFlip,
}


def make_rule(spec: AggregationSpec) -> AggregationRule:
    """The rule that `spec` describes."""
    return RULES[spec.kind](spec)


def make_attack(spec: AttackSpec) -> Attack:
    """The attack that `spec` describes."""
    return ATTACKS[spec.kind](spec)
