"""`method`: what a client and the main server do in a round. One section per training method."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.optimizer import OptimizerSpec
from heron_ray.spec.section import Section

_UPLOAD_EVERY = Field(default=1, ge=1, le=1_000_000, description="Upload interval k: smashed data go up every k-th local step.")
_CLIENT_OPTIMIZER = Field(description="The client's optimizer, for front model and auxiliary head together.")
_SERVER_OPTIMIZER = Field(description="The main server's optimizer; its state lives as long as the run.")
Lifetime: TypeAlias = Annotated[
    Literal["round", "run"],
    Field(description="round: a client starts each round with fresh optimizer state. run: its state outlives its rounds."),
]


class ZerothOrderSpec(Section):
    """How a gradient is estimated from forward passes (HERON-SFL, equation 2)."""

    mu: float = Field(default=1e-3, gt=0, le=10, description="Perturbation scale: the length of a probe's step.")
    probes: int = Field(default=1, ge=1, le=100_000, description="Probes q per local step.")
    direction: Literal["sphere", "gaussian", "rademacher"] = Field(
        default="sphere",
        description="Law of a direction u: uniform on the unit sphere (estimate scaled by d), N(0, I), or random signs.",
    )
    difference: Literal["forward", "central"] = Field(
        default="forward", description="forward: q + 1 forward passes per step. central: 2q, with a smaller bias."
    )
    replay: bool = Field(
        default=True,
        description=(
            "true: directions are drawn again from their seeds, piece by piece, whenever they are needed, so that probing "
            "adds next to nothing to the memory of a forward pass. false: two more vectors are held and fewer draws "
            "made. Same bits either way."
        ),
    )


class HeronMethod(Section):
    """HERON-SFL (2601.09076): zeroth-order clients, no gradient comes back from the main server."""

    kind: Literal["heron"] = Field(description="HERON-SFL: clients train by forward passes alone.")
    upload_every: int = _UPLOAD_EVERY
    zeroth_order: ZerothOrderSpec = Field(default=ZerothOrderSpec(), description="The gradient estimator.")
    client_optimizer: OptimizerSpec = _CLIENT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


class CseFslMethod(Section):
    """CSE-FSL (2507.15816): HERON's first-order twin; clients backpropagate the auxiliary loss."""

    kind: Literal["cse_fsl"] = Field(description="CSE-FSL: clients backpropagate their auxiliary loss.")
    upload_every: int = _UPLOAD_EVERY
    client_optimizer: OptimizerSpec = _CLIENT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


class SflV2Method(Section):
    """SplitFed V2 (2004.12088): clients backpropagate the gradient the main server returns, one client after another."""

    kind: Literal["sflv2"] = Field(description="SplitFed V2: the main server returns dL/dz at every step.")
    client_optimizer: OptimizerSpec = Field(description="The client's optimizer, for the front model.")
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


class FrozenClientMethod(Section):
    """The control: clients keep their initial weights; does training the client matter at all?"""

    kind: Literal["frozen_client"] = Field(description="Control: clients are never trained, only the main server is.")
    upload_every: int = _UPLOAD_EVERY
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


MethodSpec: TypeAlias = Annotated[HeronMethod | CseFslMethod | SflV2Method | FrozenClientMethod, Field(discriminator="kind")]
