"""A filter on the norm of smashed data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from heron_ray.federation.defences.window import Window
from heron_ray.federation.smashed_defence import SmashedDefence
from heron_ray.spec.smashed_defence import NormFilterDefence
from heron_ray.vectors import Float32Array


class NormFilter(SmashedDefence):
    """An upload z of B samples is admitted if v = sqrt(1/B sum_b ||z_b||^2) lies within k deviations of the latest uploads' v.

    See `Window` for median and spread. It sees inflated, shrunken and noisy smashed data; a reversed z, or a false label, has
    an honest norm.
    """

    filters = True

    def __init__(self, spec: NormFilterDefence) -> None:
        """Follow `spec`."""
        self._deviations = spec.deviations
        self._window = Window(spec.window, spec.warmup)

    def admits(self, z: Float32Array, loss: Callable[[], float]) -> bool:
        """The formula above."""
        with np.errstate(over="ignore", invalid="ignore"):
            norm = float(np.sqrt(np.square(z, dtype=np.float64).sum() / len(z)))
        return abs(self._window.distance(norm)) <= self._deviations

    def state(self) -> Mapping[str, NDArray[np.float64]]:
        """The window."""
        return self._window.state()

    def load(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """The window."""
        self._window.load(state)
