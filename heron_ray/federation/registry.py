"""Which class belongs to which section of `aggregation`, its `before`, `attack` and `smashed_defence`: one line per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from heron_ray.federation.arc import Arc
from heron_ray.federation.attack import Attack
from heron_ray.federation.attacks.alie import Alie
from heron_ray.federation.attacks.backdoor import Backdoor
from heron_ray.federation.attacks.fang_krum import FangKrum
from heron_ray.federation.attacks.fang_trimmed_mean import FangTrimmedMean
from heron_ray.federation.attacks.forged_scalar import ForgedScalar
from heron_ray.federation.attacks.forged_seed import ForgedSeed
from heron_ray.federation.attacks.free_rider import FreeRider
from heron_ray.federation.attacks.gaussian import Gaussian
from heron_ray.federation.attacks.ipm import Ipm
from heron_ray.federation.attacks.label_flip import LabelFlip
from heron_ray.federation.attacks.mimic import Mimic
from heron_ray.federation.attacks.min_max import MinMax
from heron_ray.federation.attacks.min_sum import MinSum
from heron_ray.federation.attacks.model_replacement import ModelReplacement
from heron_ray.federation.attacks.non_finite import NonFinite
from heron_ray.federation.attacks.norm_inflation import NormInflation
from heron_ray.federation.attacks.random import Random
from heron_ray.federation.attacks.sign_flip import SignFlip
from heron_ray.federation.attacks.zero import Zero
from heron_ray.federation.bucketing import Bucketing
from heron_ray.federation.bulyan import Bulyan
from heron_ray.federation.caf import Caf
from heron_ray.federation.centered_clipping import CenteredClipping
from heron_ray.federation.clipped_clustering import ClippedClustering
from heron_ray.federation.defences.loss_filter import LossFilter
from heron_ray.federation.defences.norm_filter import NormFilter
from heron_ray.federation.defences.pooled_updates import PooledUpdates
from heron_ray.federation.dnc import Dnc
from heron_ray.federation.fltrust import Fltrust
from heron_ray.federation.fools_gold import FoolsGold
from heron_ray.federation.geometric_median import GeometricMedian
from heron_ray.federation.krum import Krum
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
from heron_ray.federation.sign_guard import SignGuard
from heron_ray.federation.smashed_defence import SmashedDefence
from heron_ray.federation.smea import Smea
from heron_ray.federation.static_clipping import StaticClipping
from heron_ray.federation.trimmed_mean import TrimmedMean
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.attack import AttackSpec
from heron_ray.spec.smashed_defence import SmashedDefenceSpec

RULES: Final[Mapping[str, Callable[[Any], AggregationRule]]] = {
    "bulyan": Bulyan,
    "caf": Caf,
    "centered_clipping": CenteredClipping,
    "clipped_clustering": ClippedClustering,
    "dnc": Dnc,
    "fltrust": Fltrust,
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
    "alie": Alie,
    "backdoor": Backdoor,
    "fang_krum": FangKrum,
    "fang_trimmed_mean": FangTrimmedMean,
    "forged_scalar": ForgedScalar,
    "forged_seed": ForgedSeed,
    "free_rider": FreeRider,
    "gaussian": Gaussian,
    "ipm": Ipm,
    "label_flip": LabelFlip,
    "mimic": Mimic,
    "min_max": MinMax,
    "min_sum": MinSum,
    "model_replacement": ModelReplacement,
    "non_finite": NonFinite,
    "norm_inflation": NormInflation,
    "random": Random,
    "sign_flip": SignFlip,
    "zero": Zero,
}


DEFENCES: Final[Mapping[str, Callable[[Any], SmashedDefence]]] = {
    "loss_filter": LossFilter,
    "norm_filter": NormFilter,
    "pooled_updates": lambda spec: PooledUpdates(make_rule(spec.rule)),
}


def make_rule(spec: AggregationSpec) -> AggregationRule:
    """The rule that `spec` describes, with its pre-aggregators."""
    rule = RULES[spec.kind](spec)
    return Preceded(spec, [PRE_AGGREGATORS[step.kind](step) for step in spec.before], rule) if spec.before else rule


def make_attack(spec: AttackSpec) -> Attack:
    """The attack that `spec` describes."""
    return ATTACKS[spec.kind](spec)


def make_defence(spec: SmashedDefenceSpec) -> SmashedDefence:
    """The main server's defence that `spec` describes."""
    return DEFENCES[spec.kind](spec)
