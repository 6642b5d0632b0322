"""What the service says of studies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from heron_ray.client.document import Document
from heron_ray.client.experiments import ENDED

_ENDED = {*ENDED, "DIVERGED", "IMPOSSIBLE", "DELETED"}


class StudySummary(Document):
    """A study as a line of a list, and as the answer to its submission."""

    id: str
    name: str
    cells: int
    experiments: int
    created_at: datetime
    submitted_by: str | None
    states: dict[str, int]

    @property
    def has_ended(self) -> bool:
        """Whether no cell will change again."""
        return self.states.keys() <= _ENDED

    @property
    def ended(self) -> int:
        """How many cells will not change again; impossible ones are among them."""
        return sum(cells for state, cells in self.states.items() if state in _ENDED)


class StudyCell(Document):
    """One cell: its labels, its experiment, and what that came to."""

    labels: dict[str, str]
    experiment_id: str | None
    state: str
    reason: str | None
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


class Study(StudySummary):
    """Everything about one study but its figures; `study` is the study itself in plain values."""

    study: dict[str, Any]
    results: tuple[StudyCell, ...]


class StudyPage(Document):
    """A page of studies, newest first."""

    studies: tuple[StudySummary, ...]
    next: str | None
