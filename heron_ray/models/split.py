"""What every split model is: three modules that meet at the cut layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import nn

Part: TypeAlias = Literal["front", "auxiliary", "back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitModel:
    """A network in three parts.

    Shapes: B = batch, C = classes.

    Attributes:
        front: x [B, *input] to smashed data z [B, *cut].
        auxiliary: z [B, *cut] to logits [B, C], held by the client.
        back: z [B, *cut] to logits [B, C], held by the main server.
    """

    front: nn.Module
    auxiliary: nn.Module
    back: nn.Module

    def parts(self, names: tuple[Part, ...]) -> dict[str, nn.Module]:
        """The named parts, in the order given."""
        return {name: getattr(self, name) for name in names}
