"""The latest uploads' figures, and how far a new one lies from them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_TO_DEVIATION = 1.4826
"""The median absolute deviation of a normal distribution times this is its standard deviation."""

_LEAST = 0.05
"""The spread is at least this share of the median: where all uploads are alike, small differences mean nothing."""


class Window:
    """The latest W figures, one per upload, whether it was filtered or not.

        distance of v = (v - median) / max(1.4826 * median_i |v_i - median|, 0.05 * |median|)

    Filtered uploads count too: a window of admitted ones alone could never follow where honest uploads go. It holds while
    fewer than half of the latest uploads are Byzantine. Figures that are not finite are not remembered.

    Args:
        length: W.
        warmup: Below so many figures nothing is far.
    """

    def __init__(self, length: int, warmup: int) -> None:
        """Start empty."""
        self._figures: deque[float] = deque(maxlen=length)
        self._warmup = warmup

    def distance(self, figure: float) -> float:
        """The distance of a new figure from those before it, which it then joins; infinite where it is not finite."""
        if not math.isfinite(figure):
            return math.inf
        known = np.array(self._figures)
        self._figures.append(figure)
        if len(known) < self._warmup:
            return 0.0
        median = float(np.median(known))
        spread = max(_TO_DEVIATION * float(np.median(np.abs(known - median))), _LEAST * abs(median))
        gap = figure - median
        return gap / spread if spread else math.copysign(math.inf, gap) if gap else 0.0

    def state(self) -> dict[str, NDArray[np.float64]]:
        """The figures, oldest first."""
        return {"window": np.array(self._figures, dtype=np.float64)}

    def load(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Continue from what `state` gave."""
        self._figures.clear()
        self._figures.extend(state["window"].tolist() if "window" in state else ())
