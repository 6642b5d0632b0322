"""What every aggregation rule offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from heron_ray.vectors import Float32Array


class AggregationRule(ABC):
    """Joins the updates of one round's cohort, given one by one in canonical client order.

    An update is a client's vector minus the broadcast one, [P].

    Attributes:
        left_out: After `result`, the places (in the order of `add`) of updates that had no part in it at all; always empty for
            rules that give every update a part.
    """

    left_out: tuple[int, ...] = ()

    @abstractmethod
    def add(self, update: Float32Array, samples: int, client: int | None = None) -> None:
        """Take one client's update [P].

        Args:
            update: What the client sent.
            samples: The number of samples it holds.
            client: Whose it is. None: nobody's in particular, which rules that know clients refuse.
        """

    def trust(self, reference: Float32Array) -> None:  # noqa: B027 - most rules know no other measure than the updates
        """Take the server's own update of this round [P]; before `result`, where the section has `root_samples`."""

    @abstractmethod
    def result(self, draw: np.random.Generator | None = None) -> Float32Array:
        """The joined update [P]; leaves the rule ready for the next round.

        Args:
            draw: Where the round's random choices come from; rules that make some refuse None.

        Raises:
            ValueError: No update came, fewer than the rule can bear, or something that it needs was not given.
        """

    def state(self) -> dict[str, Float32Array]:
        """What the rule must keep between rounds, by name."""
        return {}

    def load(self, state: Mapping[str, Float32Array]) -> None:  # noqa: B027 - most rules keep nothing
        """Continue from what `state` gave."""


def mended(update: Float32Array) -> Float32Array:
    """The update itself if all of it is finite, else zero: a client that did not move.

    A rule that bears f Byzantine clients bears any f vectors, and zero is one. So sending NaN or infinity gains nothing.
    """
    return update if np.isfinite(update).all() else np.zeros_like(update)


def needed(draw: np.random.Generator | None) -> np.random.Generator:
    """The generator. Raises ValueError where none was given."""
    if draw is None:
        raise ValueError("this aggregation makes random choices: give result() a generator")
    return draw
