"""Label flipping: honest training on false labels."""

from __future__ import annotations

from torch import Tensor

from heron_ray.federation.attack import Attack
from heron_ray.spec.attack import LabelFlipAttack


class LabelFlip(Attack):
    """y' = C - 1 - y for C classes.

    In split learning the labels travel with the smashed data, so the main server trains on y' too.
    """

    def __init__(self, spec: LabelFlipAttack) -> None:
        """Nothing to set."""

    def on_labels(self, y: Tensor, *, classes: int) -> Tensor:
        """The formula above."""
        return classes - 1 - y
