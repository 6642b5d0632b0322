"""What every defence of the main server offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.rule import AggregationRule
from heron_ray.vectors import Float32Array


class SmashedDefence:
    """Stands between uploads and the back model: a filter decides about each upload, or a rule joins copies of the model.

    Uploads come in canonical order. What a defence remembers is in `state`, which goes into checkpoints.

    Attributes:
        filters: Whether it decides about uploads at all.
        rule: Joins the updates of the copies that the cohort's clients train; None: one model learns from all.
    """

    filters: bool = False
    rule: AggregationRule | None = None

    def admits(self, z: Float32Array, loss: Callable[[], float]) -> bool:
        """Whether the back model may learn from an upload.

        Args:
            z: Its smashed data [B, *cut].
            loss: Computes the main server's loss on it.
        """
        return True

    def state(self) -> Mapping[str, NDArray[np.float64]]:
        """What must be kept to continue."""
        return {}

    def load(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Continue from what `state` gave."""
