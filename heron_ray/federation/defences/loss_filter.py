"""A filter on the main server's loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.defences.window import Window
from heron_ray.federation.smashed_defence import SmashedDefence
from heron_ray.spec.smashed_defence import LossFilterDefence
from heron_ray.vectors import Float32Array


class LossFilter(SmashedDefence):
    """An upload is admitted if v = CE(back(z), y) before the step is at most k deviations above the latest uploads' v.

    See `Window` for median and spread. It sees what contradicts what the main server learned from the others, such as false
    labels, and nothing before that has been learned. Clients with rare classes have high losses too.
    """

    filters = True

    def __init__(self, spec: LossFilterDefence) -> None:
        """Follow `spec`."""
        self._deviations = spec.deviations
        self._window = Window(spec.window, spec.warmup)

    def admits(self, z: Float32Array, loss: Callable[[], float]) -> bool:
        """The formula above."""
        return self._window.distance(loss()) <= self._deviations

    def state(self) -> Mapping[str, NDArray[np.float64]]:
        """The window."""
        return self._window.state()

    def load(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """The window."""
        self._window.load(state)
