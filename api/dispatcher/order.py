"""`Order`: what a driver is asked to run, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.domain.artifacts import attempt_folder
from api.domain.records import AttemptRecord, ExperimentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt at one experiment.

    Attributes:
        spec: The canonical form of the spec.
        number: 1 for the first attempt at its experiment.
        checkpoints: Folder of the experiment's checkpoints.
        folder: Folder of what this attempt leaves behind.
        parent: Of a fork, the folder of what its parent left behind, and the round after which it begins.
    """

    spec: dict[str, Any]
    number: int
    checkpoints: Path
    folder: Path
    parent: tuple[Path, int] | None = None

    @classmethod
    def of(cls, experiment: ExperimentRecord, attempt: AttemptRecord, *, checkpoints: Path, artifacts: Path) -> Order:
        """An attempt, with the folders that hold one for each experiment."""
        parent = None
        if experiment.forked_from is not None and experiment.forked_round is not None:
            parent = artifacts / experiment.forked_from, experiment.forked_round
        return cls(
            spec=experiment.spec,
            number=attempt.number,
            checkpoints=checkpoints / experiment.id,
            folder=attempt_folder(artifacts, experiment.id, attempt.number),
            parent=parent,
        )
