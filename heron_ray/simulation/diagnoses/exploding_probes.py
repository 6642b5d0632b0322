"""Probes that change the loss by as much as the loss itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from heron_ray.simulation.diagnoses.signature import Finding, Seen, Signature

SHARE: Final = 1.0
"""Root mean square of the differences over the loss: from here on a difference tells of another place, not of a slope here."""

ROUNDS: Final = 3
"""In a row: one batch may be odd."""


class ExplodingProbes(Signature):
    """For three rounds in a row, the root mean square of the loss differences is at least the clients' mean loss.

    Only where clients know their loss and descend cross-entropy: a metric (`method.objective`) is between 0 and 1 and probed
    widely on purpose.
    """

    name: ClassVar[str] = "exploding_probes"
    _rounds = 0

    def observe(self, seen: Seen) -> Finding | None:
        """Count rounds in a row."""
        if not seen.probes.count or "client_loss" not in seen.metrics or self.run.spec.method.objective != "cross_entropy":
            return None
        size, loss = seen.probes.root_mean_square, seen.metrics["client_loss"]
        explodes = not math.isfinite(size) or size >= SHARE * loss
        self._rounds = self._rounds + 1 if explodes else 0
        if self._rounds < ROUNDS:
            return None
        return Finding(
            message=(
                f"the clients' probes change the loss by {size:.3g} (root mean square) where the loss is {loss:.3g}, "
                f"for {ROUNDS} rounds"
            ),
            advice=(
                "Such differences tell nothing of the slope. Lower the perturbation scale mu tenfold; where mu is small "
                "already, the parameters themselves have grown: lower method.client_optimizer.lr"
            ),
            figures={"root_mean_square": size, "loss": loss, "probes": seen.probes.count},
        )

    def state(self) -> dict[str, Any]:
        """Rounds in a row."""
        return {"rounds": self._rounds}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        self._rounds = state["rounds"]
