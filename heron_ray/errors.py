"""Every error heron-ray raises on purpose.

    HeronError
    ├── SpecError            invalid_spec           the experiment description is wrong; lists every issue by dotted path
    ├── DataError            invalid_data           a data set is missing, corrupt or does not fit the model
    ├── CheckpointError      invalid_checkpoint     a checkpoint is damaged, of another experiment, or absent
    ├── DivergedError        diverged               a loss or a parameter stopped being finite
    ├── ExhaustedMemoryError out_of_memory          a process ran out of memory
    ├── LostActorError       actor_lost             a Ray actor died; the run can be resumed
    └── ServiceError         service_error          the service refused or could not be reached
        ├── NotFoundError    not_found              no such experiment
        ├── ConflictError    conflict               the state does not allow it
        ├── UnreachableError unreachable            nothing answers at that address
        ├── ArtifactError    artifact_lost          a file that an experiment left behind is gone or not what it was
        ├── StaleAttemptError stale_attempt         another attempt owns the experiment now
        ├── DatabaseError    database_error         the database cannot be opened as it is
        └── ListenError      cannot_listen          the service may not or cannot use the address it was given

Codes are stable: they are what the API's problem documents and the `reason` of an experiment carry. A message names
the thing that is wrong; `hint`, where there is one, says the way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class HeronError(Exception):
    """Base of the tree.

    Args:
        message: What is wrong, naming the thing.
        hint: The way out, if there is one that can be said in general.
    """

    code: ClassVar[str] = "heron_error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep the message and the hint apart: some callers show them on separate lines."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """The message, followed by the hint."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a process boundary with every attribute."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(kind: type[HeronError], args: tuple[object, ...], attributes: dict[str, object]) -> HeronError:
    error = kind.__new__(kind)
    Exception.__init__(error, *args)
    error.__dict__.update(attributes)
    return error


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecIssue:
    """One thing wrong with a spec: where (dotted path), what, and the nearest valid name where one is near."""

    path: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        """One line for people."""
        tail = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{self.path}: {self.message}{tail}" if self.path else self.message


class SpecError(HeronError):
    """The experiment description is not valid; `issues` lists every fault found."""

    code = "invalid_spec"

    def __init__(self, issues: list[SpecIssue], *, hint: str | None = None) -> None:
        """Join the issues, one per line, into the message."""
        super().__init__("\n".join(str(issue) for issue in issues), hint=hint)
        self.issues = issues


class DataError(HeronError):
    """A data set is missing, corrupt or does not fit the model."""

    code = "invalid_data"


class CheckpointError(HeronError):
    """A checkpoint is damaged, belongs to another experiment, or is absent."""

    code = "invalid_checkpoint"


class DivergedError(HeronError):
    """A loss or a parameter stopped being finite; `round` says when."""

    code = "diverged"

    def __init__(self, message: str, *, round: int, hint: str | None = None) -> None:
        """Keep the round in which it happened."""
        super().__init__(message, hint=hint)
        self.round = round


class ExhaustedMemoryError(HeronError):
    """A process ran out of memory."""

    code = "out_of_memory"


class LostActorError(HeronError):
    """A Ray actor died; the run can be resumed from its last checkpoint."""

    code = "actor_lost"


class ServiceError(HeronError):
    """The service refused a request or could not carry it out."""

    code = "service_error"


class NotFoundError(ServiceError):
    """No such experiment."""

    code = "not_found"


class ConflictError(ServiceError):
    """The state of the experiment does not allow what was asked."""

    code = "conflict"


class UnreachableError(ServiceError):
    """Nothing answers at that address."""

    code = "unreachable"


class ArtifactError(ServiceError):
    """A file that an experiment left behind is gone, or not what it was."""

    code = "artifact_lost"


class StaleAttemptError(ServiceError):
    """Another attempt owns the experiment now; the caller must stop writing."""

    code = "stale_attempt"


class DatabaseError(ServiceError):
    """The database cannot be opened as it is."""

    code = "database_error"


class ListenError(ServiceError):
    """The service cannot listen on an address: others could reach it, it is unknown, or it is in use."""

    code = "cannot_listen"
