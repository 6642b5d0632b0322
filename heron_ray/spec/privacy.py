"""`privacy`: clipping and Gaussian noise on what clients send, and the delta for which their epsilon is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from heron_ray.spec.aggregation import MeanAggregation
from heron_ray.spec.section import Section

if TYPE_CHECKING:
    from heron_ray.spec.experiment import ExperimentSpec


class GaussianMechanism(Section):
    """Clips to an L2 norm C, then adds normal noise of standard deviation sigma C to every number."""

    clip: float = Field(gt=0, le=1e9, description="Largest L2 norm C; what is longer is scaled down to it.")
    sigma: float = Field(
        ge=1e-3, le=1e6, description="Noise multiplier: the noise's standard deviation in units of clip. For no noise: null."
    )


class SmashedPrivacy(GaussianMechanism):
    """Every sample's smashed data are clipped and noised by the client, before they are sent."""


class UpdatePrivacy(GaussianMechanism):
    """Every client clips its update; noise is added by each client, or once by the federation server."""

    noise: Literal["local", "central"] = Field(
        default="local",
        description=(
            "local: each client noises its own update, and trusts nobody. central: the federation server, which is trusted, "
            "adds noise of sigma clip / n to the mean of n clipped updates."
        ),
    )


class PrivacySpec(Section):
    """Differential privacy of single messages: what epsilon means, and what it does not, is in docs/privacy.md."""

    smashed: SmashedPrivacy | None = Field(
        default=None, description="The mechanism on smashed data, sample by sample. null: they go up as they are."
    )
    updates: UpdatePrivacy | None = Field(
        default=None, description="The mechanism on clients' updates, client by client. null: they go up as they are."
    )
    delta: float = Field(default=1e-5, gt=0, lt=1, description="The delta for which epsilon is told.")

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """The field of this section that does not fit the experiment, and why; None where all do."""
        if self.smashed is None and self.updates is None:
            return "smashed", "neither smashed nor updates names a mechanism: set one of them, or privacy=null"
        return self._smashed_fault(experiment) or self._updates_fault(experiment)

    def _smashed_fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        method = experiment.method
        if self.smashed is None:
            return None
        if not method.has_main_server:
            return "smashed", f"{method.kind}'s clients send no smashed data: use privacy.smashed=null"
        if method.sends_logits:
            return "smashed", f"{method.kind}'s clients also send logits, which stay as they are: use privacy.smashed=null"
        return None

    def _updates_fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        method, aggregation = experiment.method, experiment.aggregation
        if self.updates is None:
            return None
        if not method.uploads_vectors:
            return "updates", f"{method.kind}'s clients upload no parameters that could be noised: use privacy.updates=null"
        if not method.sends_vectors():
            return "updates", "scalars tell an update exactly, so it cannot be noised: use method.upload=vectors"
        if experiment.model.normalises_batches:
            return "updates", (
                f"noise would make running variances of {experiment.model.kind}'s batch normalisation negative: use another "
                "model, or privacy.updates=null"
            )
        if self.updates.noise == "central" and aggregation != MeanAggregation(kind="mean"):
            return "updates.noise", (
                "central noise is measured for the plain mean of clipped updates: use aggregation={kind: mean}, "
                "or noise=local with any rule"
            )
        return None
