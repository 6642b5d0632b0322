"""Which class belongs to which method section: one line per method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from heron_ray.methods.cse_fsl import CseFsl
from heron_ray.methods.fedavg import FedAvg
from heron_ray.methods.fedgkt import FedGkt
from heron_ray.methods.fedzo import FedZo
from heron_ray.methods.frozen_client import FrozenClient
from heron_ray.methods.fsl_sage import FslSage
from heron_ray.methods.heron import Heron
from heron_ray.methods.ho_sfl import HoSfl
from heron_ray.methods.local_loss import LocalLoss
from heron_ray.methods.method import Method
from heron_ray.methods.mu_splitfed import MuSplitFed
from heron_ray.methods.sflv1 import SflV1
from heron_ray.methods.sflv2 import SflV2
from heron_ray.methods.split_lora import SplitLora
from heron_ray.spec.method import MethodSpec

METHODS: Final[Mapping[str, Callable[[Any], Method[Any]]]] = {
    "heron": Heron,
    "cse_fsl": CseFsl,
    "fsl_sage": FslSage,
    "local_loss": LocalLoss,
    "sflv1": SflV1,
    "sflv2": SflV2,
    "split_lora": SplitLora,
    "frozen_client": FrozenClient,
    "ho_sfl": HoSfl,
    "mu_splitfed": MuSplitFed,
    "fedgkt": FedGkt,
    "fedavg": FedAvg,
    "fedzo": FedZo,
}


def make_method(spec: MethodSpec) -> Method[Any]:
    """The method that `spec` describes."""
    return METHODS[spec.kind](spec)
