"""Probes that do not change the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from heron_ray.simulation.diagnoses.signature import Finding, Seen, Signature
from heron_ray.simulation.messages import ProbeFigures

EPS: Final = 2.0**-23
"""Spacing of float32 numbers at 1."""

FLOOR: Final = 4.0
"""Loss differences below so many float32 spacings of the loss are taken for rounding: a loss is a mean of B rounded values, and
two that ought to be equal differ by about one spacing."""

ZEROS: Final = 0.9
"""With so large a share of differences that are exactly zero, an estimate is a matter of the remaining few."""

ROUNDS: Final = 3
"""In a row: one round may sit on a plateau."""


def in_noise(probes: ProbeFigures, loss: float | None, *, knows_loss: bool) -> bool:
    """Whether a round's differences are zero or rounding; the size is only judged where they are differences of that loss."""
    if not probes.count:
        return False
    size = probes.root_mean_square
    is_rounding = knows_loss and loss is not None and math.isfinite(loss) and size < FLOOR * EPS * abs(loss)
    return probes.zeros >= ZEROS * probes.count or is_rounding


class VanishingProbes(Signature):
    """For three rounds in a row, 90 % of the loss differences are exactly 0, or their root mean square is below 4 eps L.

    eps = 2^-23, L the clients' mean loss. Where clients know no loss (`ho_sfl`, `mu_splitfed`), only exact zeros count.
    """

    name: ClassVar[str] = "vanishing_probes"
    _rounds = 0

    def observe(self, seen: Seen) -> Finding | None:
        """Count rounds in a row."""
        vanishes = in_noise(seen.probes, seen.loss, knows_loss="client_loss" in seen.metrics)
        if seen.probes.count:
            self._rounds = self._rounds + 1 if vanishes else 0
        if self._rounds < ROUNDS:
            return None
        size = seen.probes.root_mean_square
        return Finding(
            message=(
                f"the clients' probes do not change the loss: {seen.probes.zeros} of {seen.probes.count} differences are "
                f"exactly zero, their root mean square is {size:.2g} at a loss of {seen.loss or 0:.3g}, for {ROUNDS} rounds"
            ),
            advice=(
                "The estimate is float32 rounding. Raise the perturbation scale mu tenfold (with direction: sphere a step of "
                "length mu is spread over all d parameters: mu of about 1e-3 sqrt(d) / 50), or look for a front model that has "
                "died: dead ReLUs, constant input. evaluation.estimator_quality=true then shows a cosine near 0"
            ),
            figures={"zeros": seen.probes.zeros, "probes": seen.probes.count, "root_mean_square": size, "loss": seen.loss},
        )

    def state(self) -> dict[str, Any]:
        """Rounds in a row."""
        return {"rounds": self._rounds}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        self._rounds = state["rounds"]
