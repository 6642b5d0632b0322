"""Which class belongs to which method section: one line per method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from heron_ray.methods.cse_fsl import CseFsl
from heron_ray.methods.frozen_client import FrozenClient
from heron_ray.methods.heron import Heron
from heron_ray.methods.method import Method
from heron_ray.methods.sflv2 import SflV2
from heron_ray.spec.method import MethodSpec

METHODS: Final[Mapping[str, Callable[[Any], Method[Any]]]] = {
    "heron": Heron,
    "cse_fsl": CseFsl,
    "sflv2": SflV2,
    "frozen_client": FrozenClient,
}


def make_method(spec: MethodSpec) -> Method[Any]:
    """The method that `spec` describes."""
    return METHODS[spec.kind](spec)
