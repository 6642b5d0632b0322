"""What goes over the wire about artifacts and logs."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.domain.artifacts import ArtifactKind


class Artifact(BaseModel):
    """A file that an experiment left behind."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="Its last path segments, below `/artifacts/`.")
    kind: ArtifactKind
    size_bytes: int
    sha256: str = Field(description="SHA-256 of its bytes, as 64 hexadecimal digits.")
    round: int | None = Field(description="After which round's state it was made.")
    created_at: datetime


class Artifacts(BaseModel):
    """All files that an experiment left behind, by name."""

    artifacts: list[Artifact]


class LogPage(BaseModel):
    """A piece of the log of an attempt."""

    attempt: int = Field(description="Which attempt: 1 for the first; 0 where none has begun.")
    text: str = Field(description="Whole lines, except where one line is longer than a page.")
    next: int = Field(description="Pass it as `after` for what comes next.")
    complete: bool = Field(description="Whether this is the end of it: the attempt has ended and nothing follows `text`.")
