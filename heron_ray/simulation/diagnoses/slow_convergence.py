"""Zeroth-order clients whose loss hardly falls, and which of the known causes the figures show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from heron_ray.simulation.diagnoses.signature import Finding, Run, Seen, Signature
from heron_ray.simulation.diagnoses.vanishing_probes import in_noise

ROUNDS: Final = 50
"""Before so many rounds nobody should call a run slow."""

WINDOW: Final = 5
"""Rounds over which losses are averaged: batches differ."""

FALL: Final = 0.1
"""A loss that has not fallen by this share of its first value is a slow one."""

EVEN: Final = 0.7
"""|mean| over root mean square of the forward differences. The slope along random directions has mean 0, curvature has not:
from here on (1 / sqrt 2) it makes up half of the mean square."""

FEW: Final = 20
"""Of n differences with mean 0 that ratio is about 1 / sqrt(n) by chance: of fewer than these it says nothing."""

COSINE: Final = 0.5
"""Of the cosine that q probes in d dimensions give where mu is right; below, mu is not."""


class SlowConvergence(Signature):
    """From round 50 on, the mean loss of the last 5 rounds is above 90 % of that of the first 5.

    Causes, the first that fits:

    - **mu in the noise floor of float32**: the probes vanish (see `vanishing_probes`), or the estimator series show a cosine
      below .01 with a relative error of 1 give or take .01: no difference was seen.
    - **mu too large**: 20 forward differences or more of a round have |mean| / root mean square above .7, which is
      curvature, or the mean `estimate_cosine` so far is below half of sqrt(q / (q + d - 1)).
    - **a high effective rank**: 2.3 (kappa + 2) / (cohort h q) is more than the rounds so far: as many rounds as the quadratic
      of docs/landscape.md takes to a tenth of its loss, at least.
    - none of these: the learning rate, the number of probes or the data.
    """

    name: ClassVar[str] = "slow_convergence"

    def __init__(self, run: Run) -> None:
        """Nothing has been seen."""
        super().__init__(run)
        self._first: list[float] = []
        self._last: list[float] = []
        self._rounds = 0
        self._cosines = [0.0, 0]
        self._error: float | None = None
        self._rank: float | None = None

    def observe(self, seen: Seen) -> Finding | None:
        """Keep what the causes are told by; judge where there is an evaluation."""
        if not self.run.spec.method.probes_clients:
            return None
        self._rounds += 1
        if seen.loss is not None:
            if len(self._first) < WINDOW:
                self._first.append(seen.loss)
            self._last = [*self._last, seen.loss][-WINDOW:]
        if "estimate_cosine" in seen.metrics:
            self._cosines = [self._cosines[0] + seen.metrics["estimate_cosine"], self._cosines[1] + 1]
            self._error = seen.metrics["estimate_relative_error"]
        self._rank = seen.metrics.get("client_effective_rank", self._rank)
        if not seen.is_judged or self._rounds < ROUNDS or len(self._last) < WINDOW:
            return None
        before, after = math.fsum(self._first) / WINDOW, math.fsum(self._last) / WINDOW
        if after <= (1 - FALL) * before:
            return None
        cause, advice, figures = self._cause(seen)
        return Finding(
            message=f"the loss went from {before:.4g} to {after:.4g} in {self._rounds} rounds: {cause}",
            advice=advice,
            figures={"first_loss": before, "loss": after, "rounds": self._rounds, **figures},
        )

    def _cause(self, seen: Seen) -> tuple[str, str, dict[str, Any]]:
        spec = self.run.zeroth_order
        size = seen.probes.root_mean_square
        even = abs(seen.probes.sum / seen.probes.count) / size if size and seen.probes.count >= FEW else 0.0
        cosine = self._cosines[0] / self._cosines[1] if self._cosines[1] else None
        figures: dict[str, Any] = {"mu": spec.mu, "probes": spec.probes, "root_mean_square": size, "even_share": even}
        if cosine is not None:
            figures |= {"mean_cosine": cosine, "expected_cosine": self._expected_cosine(), "relative_error": self._error}
        unseen = cosine is not None and abs(cosine) < 0.01 and self._error is not None and abs(self._error - 1) < 0.01
        if unseen or in_noise(seen.probes, seen.loss, knows_loss="client_loss" in seen.metrics):
            told = f"mu={spec.mu:g} is in the noise floor of float32"
            return told, "Raise mu, tenfold at a time, until evaluation.estimator_quality shows the expected cosine", figures
        if (spec.difference == "forward" and even > EVEN) or (cosine is not None and cosine < COSINE * self._expected_cosine()):
            told = f"mu={spec.mu:g} is so large that probes see curvature instead of the slope"
            return told, "Lower mu, tenfold at a time; difference: central cancels the even part at 2q forward passes", figures
        if self._rank is not None:
            clients = self.run.spec.clients
            needed = 2.3 * (self._rank + 2) / (clients.cohort * clients.local_steps * spec.probes)
            figures |= {"effective_rank": self._rank, "rounds_needed": needed}
            if needed > self._rounds:
                told = f"the effective rank is {self._rank:.3g}, at which about {needed:,.0f} rounds are needed at least"
                advice = (
                    "Use more probes or local steps, train fewer directions (model.lora, a smaller auxiliary head, an earlier "
                    "cut), or a first-order method: docs/landscape.md"
                )
                return told, advice, figures
        hint = "" if cosine is not None and self._rank is not None else ", and have the estimate and the curvature judged "
        where = "(evaluation.estimator_quality=true, evaluation.spectrum={every: 50})" if hint else ""
        advice = f"Raise method.client_optimizer.lr or the number of probes{hint}{where}"
        return "mu is neither too small nor too large by the figures there are", advice, figures

    def _expected_cosine(self) -> float:
        """sqrt(q / (q + d - 1)), see heron_ray.zo.quality."""
        probes = self.run.zeroth_order.probes
        return math.sqrt(probes / (probes + self.run.parameters - 1))

    def state(self) -> dict[str, Any]:
        """The windows and the latest series."""
        return {
            "first": list(self._first),
            "last": list(self._last),
            "rounds": self._rounds,
            "cosines": list(self._cosines),
            "error": self._error,
            "rank": self._rank,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._first, self._last, self._rounds = list(state["first"]), list(state["last"]), state["rounds"]
        self._cosines, self._error, self._rank = list(state["cosines"]), state["error"], state["rank"]
