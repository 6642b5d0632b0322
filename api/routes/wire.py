"""What goes over the wire: the bodies of requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.domain.records import AttemptRecord, ExperimentRecord, SummaryRecord
from api.domain.states import State
from api.routes.policy_wire import AdmittedResources, Resources, Retry

# Labels for people and filters: no control characters, no white space at the ends.
Tag = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$", max_length=64)]


class Health(BaseModel):
    """The service answers and its database does."""

    status: str = Field(description="`ok`.")
    version: str = Field(description="Version of heron-ray.")


class Submission(BaseModel):
    """An experiment to run."""

    model_config = ConfigDict(extra="forbid")

    # Any, because `parse_spec` judges it: its messages are those of the command line.
    spec: Any = Field(
        description="The experiment spec; `heron schema` prints its JSON Schema.", json_schema_extra={"type": "object"}
    )
    tags: list[Tag] = Field(default_factory=list, max_length=20, description="Labels to filter by.")
    retry: Retry | None = Field(
        default=None, description="How often and why it is attempted again; null: as the service is set."
    )
    resources: Resources | None = Field(default=None, description="What it needs; null: all of it is estimated.")


class Submitted(BaseModel):
    """An experiment that is now in the database."""

    id: str
    state: State
    spec_hash: str = Field(description="SHA-256 over the canonical spec.")


class Progress(BaseModel):
    """How far an experiment is."""

    round: int = Field(description="Rounds finished.")
    rounds: int = Field(description="Rounds asked for.")


class ExperimentSummary(BaseModel):
    """An experiment as a line of a list."""

    id: str
    name: str
    state: State
    reason: str | None = Field(description="A stable code that says why it is in this state, if there is one.")
    message: str | None = Field(description="A sentence beside the reason.")
    progress: Progress
    tags: list[str]
    spec_hash: str
    trajectory_hash: str = Field(description="SHA-256 over what may change a result.")
    created_at: datetime
    updated_at: datetime
    archived: bool = Field(description="Left out of lists that do not ask for it.")
    waiting: str | None = Field(description="Why it is still queued, once the dispatcher has looked at it.")
    forked_from: str | None = Field(description="The id of the experiment from whose checkpoint it began.")
    sweep_id: str | None = Field(description="The sweep that it is a trial of.")
    trial: int | None = Field(description="Its number in the sweep.")
    test_accuracy: float | None = Field(description="Final; null before it ended with a result that has it.")
    validation_accuracy: float | None = Field(description="Likewise.")
    auxiliary_accuracy: float | None = Field(description="Likewise.")

    @classmethod
    def of(cls, record: SummaryRecord) -> ExperimentSummary:
        """From a record."""
        return cls(**_summary_fields(record))


class Attempt(BaseModel):
    """One execution of an experiment."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="1 for the first.")
    node: str | None = Field(description="The machine it runs on.")
    driver_pid: int | None = Field(description="The process that drives it.")
    started_at: datetime
    ended_at: datetime | None = Field(description="null while it lives.")
    exit_reason: str | None


class ExperimentDetail(ExperimentSummary):
    """Everything about one experiment but its curves and events."""

    attempts: list[Attempt]
    spec: dict[str, Any] = Field(description="The spec with every default filled in.")
    revision: int = Field(description="Counts edits; the first part of the ETag.")
    result: dict[str, Any] | None = Field(description="The keys of `heron run --json`, once it ended with a result.")
    retried_from: str | None
    forked_round: int | None = Field(description="After this round of `forked_from` it began.")
    submitted_by: str | None = Field(description="The id of the API key it was submitted with; null where that needed none.")
    retry: Retry | None = Field(description="As it was submitted.")
    resources: AdmittedResources | None = Field(description="Declared with it, or what it was let in with.")

    @classmethod
    def describe(cls, record: ExperimentRecord, attempts: list[AttemptRecord]) -> ExperimentDetail:
        """From an experiment and its attempts."""
        return cls(
            **_summary_fields(record),
            attempts=[Attempt.model_validate(attempt) for attempt in attempts],
            spec=record.spec,
            revision=record.revision,
            result=record.result,
            retried_from=record.retried_from,
            forked_round=record.forked_round,
            submitted_by=record.submitted_by,
            retry=None if record.retry is None else Retry.model_validate(record.retry),
            resources=None if record.resources is None else AdmittedResources.model_validate(record.resources),
        )


class ExperimentPage(BaseModel):
    """Experiments in order; with `where` there may be fewer than `limit`, or none, though more follow."""

    experiments: list[ExperimentSummary]
    next: str | None = Field(description="Pass it as `before` for the next page, with the same `sort`; null on the last.")


class Curve(BaseModel):
    """One series: `values[i]` was measured after round `rounds[i]`."""

    rounds: list[int]
    values: list[float | None] = Field(description="null where a value was not finite.")


class SeriesOfExperiment(BaseModel):
    """Every series of an experiment, by name."""

    series: dict[str, Curve]


class Event(BaseModel):
    """One thing that happened to an experiment."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="1, 2, 3, ... within the experiment.")
    kind: str
    data: dict[str, Any]
    created_at: datetime


class EventPage(BaseModel):
    """Events in order."""

    events: list[Event]
    next: int = Field(description="Pass it as `after` for what comes next.")
    ended: bool = Field(description="Nothing will come any more: the experiment has ended and these were its last events.")


def _summary_fields(record: SummaryRecord) -> dict[str, Any]:
    derived = {"tags", "progress", "archived"}
    fields = {name: getattr(record, name) for name in ExperimentSummary.model_fields if name not in derived}
    progress = Progress(round=record.round, rounds=record.rounds)
    return {**fields, "tags": list(record.tags), "progress": progress, "archived": record.archived_at is not None}
