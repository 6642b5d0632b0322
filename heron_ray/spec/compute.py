"""`clients`, `evaluation`, `stop` and `compute`: who takes part, how it is judged, when it ends, where it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

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


class SpectrumSpec(Section):
    """How closely the Hessian of the clients' loss is looked at, and how often."""

    every: int = Field(default=100, ge=1, le=100_000_000, description="Rounds between looks; a multiple of evaluation.every.")
    samples: int = Field(default=256, ge=1, le=1_000_000, description="Training samples, drawn anew for each look.")
    probes: int = Field(
        default=8, ge=2, le=1000, description="Random vectors q. A look takes q (lanczos_steps + 2) Hessian-vector products."
    )
    lanczos_steps: int = Field(
        default=32, ge=1, le=1000, description="Lanczos steps m per random vector; m + 2 q vectors of theta's length are held."
    )
    precision: Literal["float32", "float64"] = Field(default="float64", description="In which the Hessian is computed.")


class LeakageSpec(Section):
    """How much smashed data, as they are sent, tell about inputs: by how many samples, and how often it is looked at."""

    every: int = Field(default=10, ge=1, le=100_000_000, description="Rounds between looks; a multiple of evaluation.every.")
    samples: int = Field(
        default=256, ge=4, le=20_000, description="Validation samples, drawn anew for each look; a look takes their square."
    )


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
    macro_f1: bool = Field(
        default=False,
        exclude_if=lambda value: value is False,
        description=(
            "Whether evaluations also give macro-F1 beside each accuracy: series validation_macro_f1, test_macro_f1, "
            "auxiliary_validation_macro_f1 and auxiliary_test_macro_f1."
        ),
    )
    spectrum: SpectrumSpec | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description=(
            "Looks at the Hessian of the clients' loss during the run: series client_hessian_norm, client_hessian_trace and "
            "client_effective_rank, and the event spectrum with the density of eigenvalues. It changes no other figure. null: "
            "never."
        ),
    )
    client_losses: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        exclude_if=lambda value: value is None,
        description=(
            "Every so many rounds the event client_losses tells the training loss of each client that took part, for the heat "
            "map of clients and rounds. It changes no other figure. null: never."
        ),
    )
    leakage: LeakageSpec | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description=(
            "Looks at how much smashed data, as they are sent, tell about inputs: series leakage_distance_correlation. It "
            "changes no other figure. null: never."
        ),
    )


class StopSpec(Section):
    """Ends a run early. Accuracy is that of the validation split."""

    accuracy: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Stop once the server's validation accuracy reaches this share. null: whatever it is.",
    )
    epsilon: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        exclude_if=lambda value: value is None,
        description="Stop before the round in which a mechanism of `privacy` would exceed this epsilon. null: never for that.",
    )

    @model_validator(mode="after")
    def _says_when(self) -> StopSpec:
        if self.accuracy is None and self.epsilon is None:
            raise PydanticCustomError("no_reason", "names no reason to stop: set accuracy, epsilon, or stop=null")
        return self


class ComputeSpec(Section):
    """Where a run executes. Of these, only `device`, `threads` and `compile` may change a result's bits."""

    executor: Literal["auto", "local", "ray"] = Field(
        default="auto", description="auto: ray where a Ray cluster is connected (always in the service), else local."
    )
    actors: int = Field(default=2, ge=1, le=10_000, description="Client actors of the ray executor.")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="Where tensors live. On a card bits are others than on the CPU, and the same at every run on its kind.",
    )
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
