"""What the service says of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

from heron_ray.client.document import Document

# A newer service may have more states, so a state is a text here.
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
"""States that nothing follows."""


class Health(Document):
    """The service and its database answer."""

    status: str
    version: str


class Submitted(Document):
    """An experiment that is now in the service's database."""

    id: str
    state: str
    spec_hash: str


class Progress(Document):
    """Rounds finished, of the rounds asked for."""

    round: int
    rounds: int


class ExperimentSummary(Document):
    """An experiment as a line of a list."""

    id: str
    name: str
    state: str
    reason: str | None
    message: str | None
    progress: Progress
    tags: tuple[str, ...]
    spec_hash: str
    trajectory_hash: str
    created_at: datetime
    updated_at: datetime
    archived: bool
    waiting: str | None
    forked_from: str | None
    sweep_id: str | None
    trial: int | None
    test_accuracy: float | None
    validation_accuracy: float | None
    auxiliary_accuracy: float | None

    @property
    def has_ended(self) -> bool:
        """Whether it will never change again."""
        return self.state in ENDED


class Attempt(Document):
    """One execution of an experiment; `ended_at` is None while it lives."""

    number: int
    node: str | None
    driver_pid: int | None
    started_at: datetime
    ended_at: datetime | None
    exit_reason: str | None


class Experiment(ExperimentSummary):
    """Everything about one experiment but its curves and events. `result` has the keys of `heron run --json`."""

    attempts: tuple[Attempt, ...]
    spec: dict[str, Any]
    revision: int
    result: dict[str, Any] | None
    retried_from: str | None
    forked_round: int | None
    submitted_by: str | None
    retry: dict[str, Any] | None
    resources: dict[str, Any] | None


class Standing(Document):
    """Why an experiment stands where it does; `ahead` of it are so many in the queue, 0 where it is not queued."""

    id: str
    state: str
    reason: str | None
    waiting: str | None
    ahead: int
    why: str


class Outcome(Document):
    """What became of one of many experiments; `problem` says why it was refused, None where it was not."""

    id: str
    status: int
    state: str | None
    retried_as: str | None
    problem: dict[str, Any] | None


class ExperimentPage(Document):
    """Experiments, in the order asked for; `next` is the cursor of the page after it, None on the last."""

    experiments: tuple[ExperimentSummary, ...]
    next: str | None


class Comparison(Document):
    """What tells experiments apart: values by dotted path and id; of the series, the names that all have."""

    experiments: tuple[ExperimentSummary, ...]
    differences: dict[str, dict[str, Any]]
    figures: dict[str, dict[str, float]]
    shared_series: tuple[str, ...]
    series: dict[str, tuple[str, ...]]


class PlainCurve(TypedDict):
    """A curve as JSON values."""

    rounds: Sequence[int]
    values: Sequence[float | None]


class Curve(Document):
    """One series: `values[i]` was measured after round `rounds[i]`; None where it was not finite."""

    rounds: tuple[int, ...]
    values: tuple[float | None, ...]

    def plain(self) -> PlainCurve:
        """As `heron_ray.figures` takes it."""
        return {"rounds": self.rounds, "values": self.values}


class Event(Document):
    """One thing that happened to an experiment; `id` is 1, 2, 3, ... within it. A stream does not tell `created_at`."""

    id: int
    kind: str
    data: dict[str, Any]
    created_at: datetime | None = None


class EventPage(Document):
    """Events in order; `next` is the cursor of what comes after them."""

    events: tuple[Event, ...]
    next: int
    ended: bool


class Part(Document):
    """One thing that an experiment can be made of."""

    kind: str
    description: str
    json_schema: dict[str, Any]
