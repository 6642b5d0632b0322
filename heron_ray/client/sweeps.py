"""What the service says of sweeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from heron_ray.client.document import Document
from heron_ray.client.experiments import ENDED


class SubmittedSweep(Document):
    """A sweep that is now in the service's database."""

    id: str
    state: str


class Trial(Document):
    """One trial; `experiment_id` is None before it is submitted."""

    number: int
    overrides: dict[str, Any]
    state: str
    reason: str | None
    round: int
    rounds: int | None
    validation_accuracy: float | None
    test_accuracy: float | None
    experiment_id: str | None


class SweepSummary(Document):
    """A sweep as a line of a list."""

    id: str
    name: str
    state: str
    reason: str | None
    message: str | None
    space: str
    samples: int
    search: str
    scheduler: str
    seed: int
    created_at: datetime
    updated_at: datetime

    @property
    def has_ended(self) -> bool:
        """Whether it will never change again."""
        return self.state in ENDED


class Sweep(SweepSummary):
    """Everything about one sweep but its trials' curves; `best` is the best trial so far."""

    spec: dict[str, Any]
    axes: dict[str, Any]
    given: dict[str, Any]
    owner_pid: int | None
    trials: tuple[Trial, ...]
    best: Trial | None


class SweepPage(Document):
    """Sweeps, newest first; `next` is the cursor of the page after it, None on the last."""

    sweeps: tuple[SweepSummary, ...]
    next: str | None
