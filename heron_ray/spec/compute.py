"""`clients`, `evaluation`, `stop` and `compute`: who takes part, how it is judged, when it ends, where it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from heron_ray.spec.section import Section


class ClientsSpec(Section):
    """The population and what each sampled client does in a round."""

    count: int = Field(ge=1, le=10_000_000, description="Clients in the population.")
    per_round: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Clients sampled each round (the cohort). null: all of them."
    )
    batch_size: int = Field(
        default=32, ge=1, le=1_000_000, description="Samples per local step; a smaller shard is used whole."
    )
    local_steps: int = Field(default=1, ge=1, le=1_000_000, description="Local steps h per round.")

    @property
    def cohort(self) -> int:
        """Number of clients sampled each round."""
        return self.count if self.per_round is None else self.per_round


class EvaluationSpec(Section):
    """When the global model is judged. The last round always is."""

    every: int = Field(default=10, ge=1, le=1_000_000, description="Rounds between evaluations.")
    batch_size: int = Field(default=1024, ge=1, le=1_000_000, description="Samples per forward pass of an evaluation.")
    estimator_quality: bool = Field(
        default=False,
        description=(
            "Whether evaluations also judge the clients' zeroth-order estimate on a batch of training samples: series "
            "estimate_cosine, estimate_relative_error and probe_signal_to_noise. It changes no other figure."
        ),
    )


class StopSpec(Section):
    """Ends a run early. Decided on the validation split only."""

    accuracy: float = Field(gt=0, le=1, description="Stop once the server's validation accuracy reaches this share.")


class ComputeSpec(Section):
    """Where a run executes. Of these, only `device`, `threads` and `compile` may change a result's bits."""

    executor: Literal["auto", "local", "ray"] = Field(
        default="auto", description="auto: ray where a Ray cluster is connected (always in the service), else local."
    )
    actors: int = Field(default=2, ge=1, le=10_000, description="Client actors of the ray executor.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where tensors live.")
    threads: int = Field(default=1, ge=1, le=1024, description="Threads each process uses inside one operation.")
    compile: bool = Field(
        default=False,
        description=(
            "Whether heron's clients compile their forward passes with torch.compile. Needs a C++ compiler, some seconds per "
            "process at the start and about 240 MiB; gains most with small convolutional networks, nothing with small mlps."
        ),
    )
    checkpoint_every: int = Field(
        default=50, ge=1, le=1_000_000, description="Rounds between checkpoints, where they are kept."
    )
