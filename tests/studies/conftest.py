from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from heron_ray.spec.study import StudySpec
from heron_ray.studies import parse_study
from tests.conftest import BASE

MakeStudy = Callable[..., StudySpec]

STUDY: dict[str, Any] = {
    "name": "small",
    "base": {**BASE, "rounds": 3, "method": {**BASE["method"], "kind": "cse_fsl"}, "evaluation": {"every": 3}},
    "axes": {
        "attack": {
            "kind": "cases",
            "cases": {"none": {"attack": None}, "flip": {"attack": {"kind": "sign_flip", "byzantine": 1, "scale": 5.0}}},
        },
        "rule": {
            "kind": "cases",
            "cases": {"mean": {"aggregation": {"kind": "mean"}}, "krum": {"aggregation": {"kind": "krum", "f": 1}}},
        },
    },
    "seeds": [0, 1],
    "figures": [{"kind": "worst_case", "over": "attack", "rows": "rule", "columns": "clients"}],
}
del STUDY["base"]["method"]["zeroth_order"]
STUDY["axes"]["clients"] = {"kind": "path", "path": "clients.count", "values": [6]}


def plain(**changes: Any) -> dict[str, Any]:
    """The plain values of a small study."""
    return {**copy.deepcopy(STUDY), **changes}


@pytest.fixture
def make_study() -> MakeStudy:
    """`make_study(seeds=[0])` is the small study with these fields."""
    return lambda **changes: parse_study(plain(**changes))
