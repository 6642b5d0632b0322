"""Which class belongs to which section of `aggregation`, `aggregation.before` and `attack`: one line per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from heron_ray.federation.arc import Arc
from heron_ray.federation.attack import Attack
from heron_ray.federation.bucketing import Bucketing
from heron_ray.federation.bulyan import Bulyan
from heron_ray.federation.caf import Caf
from heron_ray.federation.centered_clipping import CenteredClipping
from heron_ray.federation.clipped_clustering import ClippedClustering
from heron_ray.federation.dnc import Dnc
from heron_ray.federation.fools_gold import FoolsGold
from heron_ray.federation.gaussian import Gaussian
from heron_ray.federation.geometric_median import GeometricMedian
from heron_ray.federation.krum import Krum
from heron_ray.federation.label_flip import LabelFlip
from heron_ray.federation.mda import Mda
from heron_ray.federation.meamed import Meamed
from heron_ray.federation.mean import Mean
from heron_ray.federation.median import Median
from heron_ray.federation.monna import Monna
from heron_ray.federation.nnm import Nnm
from heron_ray.federation.norm_bounding import NormBounding
from heron_ray.federation.pre_aggregator import PreAggregator
from heron_ray.federation.preceded import Preceded
from heron_ray.federation.rule import AggregationRule
from heron_ray.federation.sign_flip import SignFlip
from heron_ray.federation.sign_guard import SignGuard
from heron_ray.federation.smea import Smea
from heron_ray.federation.static_clipping import StaticClipping
from heron_ray.federation.trimmed_mean import TrimmedMean
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.attack import AttackSpec

RULES: Final[Mapping[str, Callable[[Any], AggregationRule]]] = {
    "bulyan": Bulyan,
    "caf": Caf,
    "centered_clipping": CenteredClipping,
    "clipped_clustering": ClippedClustering,
    "dnc": Dnc,
    "fools_gold": FoolsGold,
    "geometric_median": GeometricMedian,
    "krum": Krum,
    "mda": Mda,
    "meamed": Meamed,
    "mean": Mean,
    "median": Median,
    "monna": Monna,
    "norm_bounding": NormBounding,
    "sign_guard": SignGuard,
    "smea": Smea,
    "trimmed_mean": TrimmedMean,
}

PRE_AGGREGATORS: Final[Mapping[str, Callable[[Any], PreAggregator]]] = {
    "arc": Arc,
    "bucketing": Bucketing,
    "nnm": Nnm,
    "static_clipping": StaticClipping,
}

ATTACKS: Final[Mapping[str, Callable[[Any], Attack]]] = {
    "gaussian": Gaussian,
    "label_flip": LabelFlip,
    "sign_flip": SignFlip,
}


def make_rule(spec: AggregationSpec) -> AggregationRule:
    """The rule that `spec` describes, with its pre-aggregators."""
    rule = RULES[spec.kind](spec)
    return Preceded(spec, [PRE_AGGREGATORS[step.kind](step) for step in spec.before], rule) if spec.before else rule


def make_attack(spec: AttackSpec) -> Attack:
    """The attack that `spec` describes."""
    return ATTACKS[spec.kind](spec)
