"""`smashed_defence`: how the main server defends its back model against what clients send it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.section import Section

if TYPE_CHECKING:
    from heron_ray.spec.experiment import ExperimentSpec


class _Defence(Section):
    """What all defences have in common."""

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """The field of this section that does not fit the experiment, and why; None where all do."""
        if experiment.method.has_main_server:
            return None
        return "kind", f"{experiment.method.kind} has no main server to defend: use smashed_defence=null"


class _Filter(_Defence):
    """A filter compares each upload with those before it, by median and median absolute deviation."""

    deviations: float = Field(
        default=4.0,
        gt=0,
        le=1e6,
        description="An upload is filtered beyond so many deviations, 1.4826 MAD each.",
    )
    window: int = Field(default=100, ge=3, le=1_000_000, description="Latest uploads that are compared with, filtered or not.")
    warmup: int = Field(
        default=10,
        ge=3,
        le=1_000_000,
        description="Until so many uploads were seen, only infinite ones are filtered.",
    )

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """The warm-up must end."""
        if self.warmup > self.window:
            return "warmup", f"{self.warmup} uploads never stand in a window of {self.window}: use at most {self.window}"
        return super().fault(experiment)


class NormFilterDefence(_Filter):
    """Uploads whose smashed data are longer or shorter than others' are not trained on."""

    kind: Literal["norm_filter"] = Field(
        description="Filters uploads by the root mean square of their samples' norms, on both sides of the median."
    )


class LossFilterDefence(_Filter):
    """Uploads on which the main server's loss is higher than on others' are not trained on."""

    kind: Literal["loss_filter"] = Field(
        description="Filters uploads by the main server's loss before its step, above the median; one more forward pass each."
    )


class PooledUpdatesDefence(_Defence):
    """Each client trains a copy of the back model, and a robust rule joins the copies' updates after the round."""

    kind: Literal["pooled_updates"] = Field(
        description="A copy of the back model per client and round, their updates joined by a robust rule."
    )
    rule: AggregationSpec = Field(description="The rule that joins the updates of the cohort's copies, as in aggregation.")

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """The rule must bear the cohort, and need nothing but its vectors."""
        if (reason := self.rule.bound_to_federation_server()) is not None:
            return "rule.kind", f"{self.rule.kind} cannot join copies of the back model: {reason}"
        if (fault := self.rule.fault(experiment.clients.cohort)) is not None:
            return f"rule.{fault[0]}", fault[1]
        return super().fault(experiment)


SmashedDefenceSpec: TypeAlias = Annotated[
    NormFilterDefence | LossFilterDefence | PooledUpdatesDefence, Field(discriminator="kind")
]
