"""What the service remembers of studies, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.domain.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One study; `study` is its `StudySpec` in plain values, with the axes and figures."""

    id: str
    name: str
    study: dict[str, Any]
    cells: int
    experiments: int
    created_at: datetime
    submitted_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyExperiment:
    """What stands in a study of one of its experiments."""

    id: str
    spec: dict[str, Any]
    state: State
    reason: str | None
    message: str | None
    result: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCellRecord:
    """A cell: its experiment, or why it is impossible; neither where the experiment was deleted."""

    experiment: StudyExperiment | None
    impossible: str | None
