"""What goes over the wire about how an experiment is run: how often it is attempted, and what it needs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.domain.retry import INFRASTRUCTURE, OWN
from api.domain.states import State

Reason = Literal[
    "actor_lost", "driver_lost", "lease_expired", "start_timeout", "stale_attempt",
    "checkpoint_not_written", "disk_full", "internal_error", "invalid_checkpoint", "invalid_data", "out_of_memory",
]  # fmt: skip


class Retry(BaseModel):
    """How often, and for which reasons, an experiment is attempted again."""

    model_config = ConfigDict(extra="forbid")

    max_attempts: int | None = Field(default=None, ge=1, le=20, description="Attempts in all. null: as the service is set (5).")
    reasons: Annotated[list[Reason], Field(max_length=len(INFRASTRUCTURE + OWN))] | None = Field(
        default=None,
        description="Only after these reasons is there another attempt. null: those that are the infrastructure's fault, "
        + ", ".join(INFRASTRUCTURE),
    )


class Resources(BaseModel):
    """What an experiment needs; what is left out is estimated when it is looked at."""

    model_config = ConfigDict(extra="forbid")

    cpus: float | None = Field(default=None, ge=0, le=100_000, description="CPU cores that it keeps busy.")
    gpus: float | None = Field(default=None, ge=0, le=10_000, description="Cards; a share of one is possible.")
    memory_bytes: int | None = Field(default=None, ge=0, le=2**53, description="Memory of all its processes together.")


class AdmittedResources(Resources):
    """What an experiment was let in with."""

    model_config = ConfigDict(extra="ignore")

    client_peak_bytes: int | None = Field(default=None, description="The most one client holds, as `heron profile` tracks it.")
    estimated: list[str] = Field(default_factory=list, description="Which of these figures nobody declared.")


class Standing(BaseModel):
    """Why an experiment stands where it does."""

    id: str
    state: State
    reason: str | None
    waiting: str | None = Field(description="What a queued experiment waits for, once the dispatcher has looked at it.")
    ahead: int = Field(description="Older experiments in the queue, counted up to 1000; 0 once it is not queued.")
    why: str = Field(description="All of it in one sentence.")


def plain(part: BaseModel | None) -> dict[str, Any] | None:
    """What was given, as plain values; None where nothing was."""
    return None if part is None else part.model_dump(exclude_none=True) or None
