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
    values: tuple[float | None, ...] | None
    experiment_id: str | None


class Point(Document):
    """One point of the space, with the means and standard deviations of its trials' values, one per objective."""

    number: int
    overrides: dict[str, Any]
    trials: tuple[int, ...]
    means: tuple[float, ...] | None
    deviations: tuple[float, ...] | None
    optimal: bool


class SweepSummary(Document):
    """A sweep as a line of a list."""

    id: str
    name: str
    state: str
    reason: str | None
    message: str | None
    paused: bool
    space: str
    samples: int
    seeds: int
    search: str
    scheduler: str
    objectives: tuple[dict[str, Any], ...]
    budget: dict[str, Any]
    warm_start: tuple[str, ...]
    seed: int
    created_at: datetime
    updated_at: datetime
    submitted_by: str | None

    @property
    def has_ended(self) -> bool:
        """Whether it will never change again."""
        return self.state in ENDED


class Sweep(SweepSummary):
    """Everything about one sweep but its trials' curves; `best` is the best trial so far, None with several objectives."""

    spec: dict[str, Any]
    axes: dict[str, Any]
    given: dict[str, Any]
    owner_pid: int | None
    trials: tuple[Trial, ...]
    points: tuple[Point, ...]
    best: Trial | None

    @property
    def pareto(self) -> tuple[Point, ...]:
        """The points that no other one beats."""
        return tuple(point for point in self.points if point.optimal)


class SweepPage(Document):
    """Sweeps, newest first; `next` is the cursor of the page after it, None on the last."""

    sweeps: tuple[SweepSummary, ...]
    next: str | None


class ObjectiveImportance(Document):
    """Shares of 1 that the axes explain of one objective's spread."""

    objective: str
    importances: dict[str, float]
    figure: dict[str, Any]


class Importance(Document):
    """How much each axis matters, known from so many points."""

    points: int
    objectives: tuple[ObjectiveImportance, ...]
