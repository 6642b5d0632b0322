"""What every test may use: small real specs, built from one base by overrides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heron_ray.spec import ExperimentSpec, apply_overrides, parse_override, parse_spec

BASE: dict[str, Any] = {
    "name": "test",
    "rounds": 4,
    "data": {"kind": "digits"},
    "partition": {"kind": "dirichlet", "alpha": 0.5},
    "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}},
    "clients": {"count": 6, "batch_size": 16, "local_steps": 3},
    "method": {
        "kind": "heron",
        "zeroth_order": {"probes": 2},
        "client_optimizer": {"kind": "sgd", "lr": 0.02},
        "server_optimizer": {"kind": "sgd", "lr": 0.1},
    },
    "aggregation": {"kind": "mean"},
    "evaluation": {"every": 2},
}

MakeSpec = Callable[..., ExperimentSpec]


@pytest.fixture
def make_spec() -> MakeSpec:
    """`make_spec("rounds=3", "method.kind=sflv2")` is the base spec with these overrides."""

    def make(*overrides: str) -> ExperimentSpec:
        mapping, _ = apply_overrides(BASE, [parse_override(text) for text in overrides])
        return parse_spec(mapping)

    return make
