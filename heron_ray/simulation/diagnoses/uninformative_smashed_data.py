"""Clients that learn while the main server does not: their smashed data tell it nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from heron_ray.methods import make_method
from heron_ray.simulation.diagnoses.signature import Finding, Run, Seen, Signature

EVALUATIONS: Final = 6
"""The last so many are compared, the later half with the earlier one."""

FALL: Final = 0.05
"""By this share the clients' loss has fallen between the halves: they learn."""

RISE: Final = 0.01
"""By less than this the main server's best validation accuracy has risen between the halves: it does not."""

HALF_WAY: Final = 0.5
"""Of the way from chance to 1. Beyond, a plateau is the ordinary end of a run."""

AHEAD: Final = 0.05
"""By this the auxiliary head must be ahead of the main server for the smashed data to be informative after all."""


class UninformativeSmashedData(Signature):
    """Over the last 6 evaluations, the later three against the earlier three: the clients' auxiliary loss has fallen by 5 % or
    more, the main server's best validation accuracy has risen by less than .01 and is below half way from chance to 1.

    Whom it names: the back model, where the auxiliary head reads the same smashed data .05 better; else the auxiliary head,
    where it has more parameters than the front model, whose work it then does; else the cut.
    """  # noqa: D205 - the summary is the condition

    name: ClassVar[str] = "uninformative_smashed_data"

    def __init__(self, run: Run) -> None:
        """Nothing has been seen."""
        super().__init__(run)
        method = make_method(run.spec.method)
        self._applies = method.has_main_server and "auxiliary" in method.client_parts and "front" in method.shared_parts
        self._losses: list[float] = []
        self._evaluations: list[list[float]] = []

    def observe(self, seen: Seen) -> Finding | None:
        """Gather losses; compare at evaluations."""
        if not self._applies:
            return None
        if "client_loss" in seen.metrics:
            self._losses.append(seen.metrics["client_loss"])
        if not seen.is_judged or not self._losses:
            return None
        loss, self._losses = math.fsum(self._losses) / len(self._losses), []
        accuracies = [seen.metrics["validation_accuracy"], seen.metrics["auxiliary_validation_accuracy"]]
        self._evaluations = [*self._evaluations, [loss, *accuracies]][-EVALUATIONS:]
        return self._compare() if len(self._evaluations) == EVALUATIONS else None

    def _compare(self) -> Finding | None:
        half = EVALUATIONS // 2
        earlier, later = self._evaluations[:half], self._evaluations[half:]
        before, after = (math.fsum(one[0] for one in part) / half for part in (earlier, later))
        best, auxiliary = (max(one[place] for one in later) for place in (1, 2))
        chance = 1 / self.run.setup.dataset.classes
        rise = best - max(one[1] for one in earlier)
        if after > (1 - FALL) * before or rise >= RISE or best >= chance + HALF_WAY * (1 - chance):
            return None
        return Finding(
            message=(
                f"the clients' loss fell from {before:.4g} to {after:.4g} in the last {EVALUATIONS} evaluations, while the "
                f"main server's validation accuracy stays at {best:.3f} (auxiliary head: {auxiliary:.3f})"
            ),
            advice=self._advice(auxiliary - best),
            figures={
                "client_loss_before": before,
                "client_loss": after,
                "validation_accuracy": best,
                "auxiliary_validation_accuracy": auxiliary,
                "rise": rise,
            },
        )

    def _advice(self, ahead: float) -> str:
        if ahead >= AHEAD:
            return (
                "The auxiliary head reads the same smashed data better, so they do tell something, and the back model does not "
                "take it up: look at method.server_optimizer.lr, the depth of model.back and smashed_defence"
            )
        model = self.run.setup.build_model()
        front, auxiliary = (sum(one.numel() for one in part.parameters()) for part in (model.front, model.auxiliary))
        if auxiliary > front:
            return (
                f"The auxiliary head has {auxiliary:,} parameters and the front model {front:,}: it learns in the front's "
                "place. Use a smaller head (model.auxiliary), or a later cut"
            )
        return (
            "The cut lets too little through for the main server to build on: widen the front model's last layer or cut "
            "elsewhere (model.front), and compare with a run of method.kind=frozen_client"
        )

    def state(self) -> dict[str, Any]:
        """The window."""
        return {"losses": list(self._losses), "evaluations": [list(one) for one in self._evaluations]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._losses = list(state["losses"])
        self._evaluations = [list(one) for one in state["evaluations"]]
