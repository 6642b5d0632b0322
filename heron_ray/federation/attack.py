"""What every attack offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from heron_ray.vectors import Float32Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """What clients that collude know of a round: everything.

    Attributes:
        honest: The honest clients' updates [h, P] in canonical order; at least one. With `path: auxiliary` only these
            coordinates.
        own: What the f clients that attack would upload if they were honest [f, P].
        last: The update that was joined in the round before [P]; zeros at first.
        pooled: What the configured rule would make of the honest updates and f times this one [P].
        draw: For noise.
    """

    honest: Float32Array
    own: Float32Array
    last: Float32Array
    pooled: Callable[[Float32Array], Float32Array]
    draw: np.random.Generator

    @property
    def byzantine(self) -> int:
        """How many clients attack, f."""
        return len(self.own)


class Attack:
    """What a Byzantine client does differently from an honest one: a subclass replaces what it attacks.

    It follows the protocol otherwise, and its bytes and losses are counted like those of the others. Which of these are
    called is decided by the `path` of its section. Noise comes from `draw` only.

    Attributes:
        needs_cohort: Whether `on_cohort` takes the place of `on_update`: the attackers know all updates of the round.
        needs_last: Whether they use the update of the round before.
    """

    needs_cohort: ClassVar[bool] = False
    needs_last: ClassVar[bool] = False

    def on_batch(self, x: Tensor, y: Tensor, *, classes: int) -> tuple[Tensor, Tensor]:
        """The samples [B, *input] and labels [B] trained on instead of these; labels are 0 to classes - 1."""
        return x, y

    def on_upload(
        self, z: Float32Array, y: NDArray[np.int64], draw: np.random.Generator, *, classes: int
    ) -> tuple[Float32Array, NDArray[np.int64]]:
        """The smashed data [B, *cut] and labels [B] sent instead of these."""
        return z, y

    def on_update(self, update: Float32Array, draw: np.random.Generator) -> Float32Array:
        """What is uploaded [P] instead of the client's update [P]."""
        return update

    def on_cohort(self, cohort: Cohort) -> Float32Array:
        """What the attackers upload: [P], the same for all, or [f, P]."""
        raise NotImplementedError(f"{type(self).__name__} does not collude")

    def on_scalars(
        self, seeds: Sequence[int], scalars: Float32Array, probes: int, draw: np.random.Generator
    ) -> tuple[Sequence[int], Float32Array]:
        """The seeds [S] and scalars [S] sent instead of these, `probes` of them per step. Seeds that all share are not sent."""
        return seeds, scalars
