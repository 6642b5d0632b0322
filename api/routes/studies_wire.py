"""Studies as JSON: what is submitted and what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.domain.states import State
from api.domain.studies import StudyCellRecord, StudyExperiment, StudyRecord
from api.routes.policy_wire import Resources, Retry
from api.routes.wire import Tag
from heron_ray.errors import DivergedError, SpecError
from heron_ray.figures.curve import Curve
from heron_ray.spec import parse_spec
from heron_ray.spec.study import StudySpec
from heron_ray.studies import Cell
from heron_ray.studies.cells import labels_of
from heron_ray.studies.table import Row, rows_of, states_of

DELETED = "its experiment was deleted"


class StudySubmission(BaseModel):
    """A study to run."""

    model_config = ConfigDict(extra="forbid")

    # Any, because `parse_study` judges it: its messages are those of the command line.
    study: Any = Field(
        description="The study; `heron schema --study` prints its JSON Schema. Its base is a spec written out.",
        json_schema_extra={"type": "object"},
    )
    tags: list[Tag] = Field(default_factory=list, max_length=20, description="Labels of every experiment.")
    retry: Retry | None = Field(
        default=None, description="How often and why each experiment is attempted again; null: as the service is set."
    )
    resources: Resources | None = Field(default=None, description="What each experiment needs; null: all of it is estimated.")


class StudySummary(BaseModel):
    """A study as a line of a list, and as what is answered to its submission."""

    id: str
    name: str
    cells: int = Field(description="One for every combination of its axes' labels and seeds.")
    experiments: int = Field(description="Different ones: cells with the same trajectory hash share one.")
    created_at: datetime
    submitted_by: str | None = Field(description="The id of the API key that it was submitted with.")
    states: dict[str, int] = Field(
        description="How many cells are in each state: that of their experiments; DIVERGED, IMPOSSIBLE or DELETED."
    )


class StudyPage(BaseModel):
    """Studies, newest first."""

    studies: list[StudySummary]
    next: str | None = Field(description="Pass it as `before` for the next page; null on the last.")


class StudyCell(BaseModel):
    """One cell. The accuracies of a run that diverged are those of guessing."""

    labels: dict[str, str] = Field(description="Axis to label, the seed last.")
    experiment_id: str | None = Field(description="null where the cell is impossible, or its experiment was deleted.")
    state: str = Field(description="That of its experiment; DIVERGED, IMPOSSIBLE or DELETED.")
    reason: str | None = Field(description="Why it is impossible, or what its experiment says.")
    validation_accuracy: float | None
    auxiliary_validation_accuracy: float | None
    test_accuracy: float | None
    auxiliary_test_accuracy: float | None
    rounds: int | None
    client_macs_per_step: int | None
    client_peak_bytes: int | None
    bytes_up: int | None
    bytes_down: int | None
    trajectory_hash: str | None
    trajectory_digest: str | None


class StudyDetail(StudySummary):
    """Everything about a study but its figures."""

    study: dict[str, Any] = Field(description="The study itself: base, axes, seeds, figures.")
    results: list[StudyCell] = Field(description="Every cell, in the order of the axes.")

    @classmethod
    def describe(cls, record: StudyRecord, cells: Sequence[StudyCellRecord]) -> Self:
        """As JSON."""
        rows = rows_in(study_of(record), cells)
        results = [
            StudyCell.model_validate(
                {
                    "labels": dict(row.labels),
                    "experiment_id": None if cell.experiment is None else cell.experiment.id,
                    **row.plain,
                }
            )
            for row, cell in zip(rows, cells, strict=True)
        ]
        # As `results` has them: a spec of an earlier version may be impossible by now.
        summary = summary_of(record, states_of(rows)).model_dump()
        return cls(**summary, study=record.study, results=results)


def summary_of(record: StudyRecord, states: Mapping[str, int]) -> StudySummary:
    """A study, and how many of its cells are in each state."""
    kept = {name: getattr(record, name) for name in StudySummary.model_fields if name != "states"}
    return StudySummary(**kept, states=dict(states))


def study_of(record: StudyRecord) -> StudySpec:
    """The study as it was submitted; sections are strict, and only JSON may be a list where they have a tuple."""
    return StudySpec.model_validate_json(json.dumps(record.study))


def rows_in(
    study: StudySpec, records: Sequence[StudyCellRecord], curves: Mapping[str, Mapping[str, Curve]] | None = None
) -> list[Row]:
    """What tables and figures are made from; `curves` has series by the ids of experiments."""
    cells, outcomes = [], {}
    for labels, record in zip(labels_of(study), records, strict=True):
        cell = _cell(labels, record)
        cells.append(cell)
        if record.experiment is not None and cell.key is not None:
            outcomes[cell.key] = _outcome(record.experiment) | {"curves": (curves or {}).get(record.experiment.id)}
    rows = rows_of(cells, outcomes)
    return [
        row if record.impossible is not None or record.experiment is not None else _deleted(row)
        for row, record in zip(rows, records, strict=True)
    ]


def _cell(labels: Mapping[str, str], record: StudyCellRecord) -> Cell:
    if record.experiment is None:
        return Cell(labels=labels, spec=None, impossible=record.impossible or DELETED)
    try:
        return Cell(labels=labels, spec=parse_spec(record.experiment.spec))
    except SpecError as error:
        # It was submitted to an earlier version.
        return Cell(labels=labels, spec=None, impossible=str(error))


def _outcome(found: StudyExperiment) -> dict[str, Any]:
    diverged = found.state == State.FAILED and found.reason == DivergedError.code
    return {"state": "DIVERGED" if diverged else str(found.state), "message": found.message, "result": found.result}


def _deleted(row: Row) -> Row:
    return replace(row, state="DELETED", plain={**row.plain, "state": "DELETED"})
