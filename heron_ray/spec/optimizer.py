"""`client_optimizer` and `server_optimizer`: how a gradient, or an estimate of it, becomes a step."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section

_LR = Field(gt=0, le=1e3, description="Learning rate.")
_DECAY = Field(default=0.0, ge=0, le=10, description="L2 penalty added to the gradient, per unit of weight.")


class SgdOptimizer(Section):
    """Stochastic gradient descent; keeps one vector of state with momentum, none without."""

    kind: Literal["sgd"] = Field(description="Stochastic gradient descent.")
    lr: float = _LR
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Heavy-ball momentum; 0 keeps no state.")
    weight_decay: float = _DECAY


class AdamOptimizer(Section):
    """Adam (Kingma and Ba, 1412.6980) with bias correction; keeps two vectors of state."""

    kind: Literal["adam"] = Field(description="Adam.")
    lr: float = _LR
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Decay of the first moment.")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Decay of the second moment.")
    epsilon: float = Field(default=1e-8, gt=0, le=1, description="Added to the root of the second moment.")
    weight_decay: float = _DECAY


OptimizerSpec: TypeAlias = Annotated[SgdOptimizer | AdamOptimizer, Field(discriminator="kind")]
