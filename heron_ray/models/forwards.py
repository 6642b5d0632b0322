"""The forward passes of a client that takes no gradients, as torch runs them.

`compiled` here and `graphed` in the simulation have the same passes in other shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from heron_ray.models.objectives import Objective, cross_entropy
from heron_ray.models.split import SplitModel

T = TypeVar("T")
Forward = Callable[[Tensor, Tensor], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientForwards:
    """What a client without gradients computes of a batch x [B, *input], y [B] at the present theta; or a block of clients.

    Attributes:
        smash: The smashed data [B, *cut], and the auxiliary head's objective on the batch.
        loss: That objective alone.
    """

    smash: Forward[tuple[Tensor, Tensor]]
    loss: Forward[Tensor]


def eager_forwards(model: SplitModel, objective: Objective = cross_entropy) -> ClientForwards:
    """The passes as torch runs them."""

    def smash(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        z = model.front(x)
        return z, objective(model.auxiliary(z), y)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return objective(model.auxiliary(model.front(x)), y)

    return ClientForwards(smash=smash, loss=loss)
