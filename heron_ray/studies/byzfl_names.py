"""ByzFL's names, and what stands for them here: kinds, fields, sections. Tables only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

F: Final = "f"
"""ByzFL gives the tolerated f to every rule and pre-aggregator that has one."""

RULES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "Average": ("mean", {}),
    "Median": ("median", {}),
    "TrMean": ("trimmed_mean", {F: F}),
    "GeometricMedian": ("geometric_median", {"nu": "nu", "T": "iterations"}),
    "Krum": ("krum", {F: F}),
    "MultiKrum": ("krum", {F: F}),
    "CenteredClipping": ("centered_clipping", {"L": "iterations", "tau": "tau"}),
    "MDA": ("mda", {F: F}),
    "MoNNA": ("monna", {F: F, "idx": "trusted"}),
    "Meamed": ("meamed", {F: F}),
    "CAF": ("caf", {F: F}),
    "SMEA": ("smea", {F: F}),
}
PRE_AGGREGATORS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "NNM": ("nnm", {F: F}),
    "Bucketing": ("bucketing", {"s": "s"}),
    "Clipping": ("static_clipping", {"c": "c"}),
    "ARC": ("arc", {F: F}),
}
ATTACKS: Final[Mapping[str, tuple[str, Mapping[str, str], Mapping[str, Any]]]] = {
    # ByzFL's sign flip is minus the mean of the honest vectors, which inner-product manipulation with tau = 1 is, too.
    "SignFlipping": ("ipm", {}, {"tau": 1.0}),
    "InnerProductManipulation": ("ipm", {"tau": "tau"}, {}),
    "Optimal_InnerProductManipulation": ("ipm", {}, {"optimal": True}),
    "ALittleIsEnough": ("alie", {"tau": "tau"}, {}),
    "Optimal_ALittleIsEnough": ("alie", {}, {"optimal": True}),
    "Mimic": ("mimic", {"epsilon": "client"}, {}),
    "Inf": ("non_finite", {}, {"value": "inf"}),
    "Gaussian": ("gaussian", {"sigma": "sigma"}, {}),
    "LabelFlipping": ("label_flip", {}, {}),
}
"""Name to kind, to the field of each parameter, and (attacks) to fields that are always set."""

DISTRIBUTIONS: Final[Mapping[str, tuple[dict[str, Any], str | None]]] = {
    "iid": ({"kind": "iid"}, None),
    "gamma_similarity_niid": ({"kind": "gamma_similarity"}, "gamma"),
    "dirichlet_niid": ({"kind": "dirichlet", "minimum": 1}, "alpha"),
    "extreme_niid": ({"kind": "gamma_similarity", "gamma": 0.0}, None),
}
DATA: Final[Mapping[str, dict[str, Any]]] = {
    "mnist": {"kind": "mnist", "path": "mnist"},
    "fashionmnist": {"kind": "mnist", "path": "fashion-mnist", "mean": [0.0], "std": [1.0]},
    "cifar10": {
        "kind": "parquet",
        "path": "cifar10",
        "image_column": "img",
        "mean": [0.4914, 0.4822, 0.4465],
        "std": [0.2023, 0.1994, 0.2010],
    },
}
MODELS: Final[Mapping[str, dict[str, Any]]] = {
    "fc_mnist": {"kind": "mlp", "front": [100], "back": [], "auxiliary": {"kind": "linear"}},
    "ResNet18": {"kind": "resnet18", "stem": "cifar", "cut": 1, "auxiliary": {"kind": "pooled_linear"}},
}
