"""What every pre-aggregator offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from heron_ray.vectors import Float32Array


class PreAggregator(ABC):
    """Changes a cohort's updates before a rule joins them. It keeps nothing between rounds."""

    @abstractmethod
    def apply(self, updates: Sequence[Float32Array], draw: np.random.Generator | None) -> Sequence[Float32Array]:
        """The vectors [P] that stand for the updates [P], which are finite and stay as they are.

        Args:
            updates: Of the cohort, in canonical order.
            draw: Where random choices come from; those that make some refuse None.
        """
