"""What an experiment leaves behind, and where it lies: one folder per experiment, in it one per attempt.

    ARTIFACTS/<experiment id>/attempt-<number>/<name>

An attempt writes into its own folder alone, so one that was believed dead and comes back overwrites nothing. The artifacts of
an experiment are those of the attempt that ended it: its last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from heron_ray.errors import NotFoundError

MODEL = "model.safetensors"
SPEC = "spec.yaml"
RESULT = "result.json"
CHECKPOINT = "checkpoint"
CHECKPOINT_STATE = f"{CHECKPOINT}/state.safetensors"
CHECKPOINT_MANIFEST = f"{CHECKPOINT}/manifest.json"
LOG = "driver.log"
"""Kept beside the artifacts and not among them: it is written until the attempt has ended."""


class ArtifactKind(StrEnum):
    """What a file is good for."""

    MODEL = "model"
    SPEC = "spec"
    RESULT = "result"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """A file as it was written.

    Attributes:
        name: Its path below the attempt's folder; one of the names above.
        round: After which round's state it was made; None where it belongs to no round.
    """

    name: str
    kind: ArtifactKind
    size_bytes: int
    sha256: str
    round: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRecord(ArtifactFile):
    """A file as the database knows it."""

    created_at: datetime


def attempt_folder(artifacts: Path, experiment_id: str, number: int) -> Path:
    """Where an attempt leaves what it leaves.

    Raises:
        NotFoundError: The id is none.

    >>> attempt_folder(Path("/a"), "0f3a", 2).as_posix()
    '/a/0f3a/attempt-2'
    """
    if not experiment_id.isalnum():
        raise NotFoundError(f"there is no experiment {experiment_id!r}")
    return artifacts / experiment_id / f"attempt-{number}"
