"""Every error heron-ray raises on purpose.

    HeronError
    ├── SpecError            invalid_spec           the experiment description is wrong; lists every issue by dotted path
    ├── DataError            invalid_data           a data set is missing, corrupt or does not fit the model
    ├── CheckpointError      invalid_checkpoint     a checkpoint is damaged, of another experiment, or absent
    ├── DivergedError        diverged               a loss or a parameter stopped being finite
    ├── EdgeError            edge_impossible        no simulated client can take part, or none can meet the deadline
    ├── ExhaustedMemoryError out_of_memory          a process ran out of memory
    ├── LostActorError       actor_lost             a Ray actor died; the run can be resumed
    ├── StudyError           study_folder           the folder of a study's results is in use or cannot be written
    ├── RecordError          invalid_record         a file or folder holds no run that can be read
    ├── MissingToolError     missing_tool           a program or package that this needs is not installed
    ├── SinkError            sink_failed            where a run was to be told of did not take it
    └── ServiceError         service_error          the service refused or could not be reached
        ├── NotFoundError    not_found              no such experiment
        ├── ConflictError    conflict               the state does not allow it
        ├── RequestError     invalid_request        a parameter of a question makes no sense
        ├── MissingRevisionError precondition_required an edit does not say which revision it edits
        ├── StaleEditError   stale_revision         somebody else edited the experiment in the meantime
        ├── UnreachableError unreachable            nothing answers at that address
        ├── ArtifactError    artifact_lost          a file that an experiment left behind is gone or not what it was
        ├── StaleAttemptError stale_attempt         another attempt owns the experiment now
        ├── AnswerTooLargeError answer_too_large    more was asked for than one answer may hold
        ├── DatabaseError    database_error         the database cannot be opened as it is
        ├── UnauthenticatedError unauthenticated    no API key was given, or it is not valid (any more)
        ├── ForbiddenError   forbidden              the API key, or the way the request came, does not allow it
        ├── TooManyRequestsError too_many_requests  the caller asked more often than it may
        ├── PolicyError      refused_by_policy      the experiment is larger than the operator allows; lists every issue
        ├── BackupError      invalid_backup         a backup is damaged, absent, too new, or cannot be written
        ├── NotEndedError    not_ended              the experiment did not end within the time given
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


class EdgeError(HeronError):
    """With the simulated devices and links no client can take part: too little memory everywhere, or too short a deadline."""

    code = "edge_impossible"


class ExhaustedMemoryError(HeronError):
    """A process ran out of memory."""

    code = "out_of_memory"


class LostActorError(HeronError):
    """A Ray actor died; the run can be resumed from its last checkpoint."""

    code = "actor_lost"


class StudyError(HeronError):
    """The folder of a study's results is in use by another study, or cannot be written."""

    code = "study_folder"


class RecordError(HeronError):
    """A file or folder holds no run, or none that can be read."""

    code = "invalid_record"


class MissingToolError(HeronError):
    """A program or package that was asked for, and that heron-ray does without otherwise, is not installed."""

    code = "missing_tool"


class SinkError(HeronError):
    """Where a run was to be told of, such as a tracking server, did not take what it was told."""

    code = "sink_failed"


class ServiceError(HeronError):
    """The service refused a request or could not carry it out."""

    code = "service_error"


class NotFoundError(ServiceError):
    """No such experiment."""

    code = "not_found"


class ConflictError(ServiceError):
    """The state of the experiment does not allow what was asked."""

    code = "conflict"


class RequestError(ServiceError):
    """A question to the service makes no sense; `parameter` says which part of it."""

    code = "invalid_request"

    def __init__(self, message: str, *, parameter: str, hint: str | None = None) -> None:
        """Keep the name of the parameter."""
        super().__init__(message, hint=hint)
        self.parameter = parameter


class MissingRevisionError(ServiceError):
    """An edit that does not say what it edits could undo one that its sender never saw."""

    code = "precondition_required"


class StaleEditError(ServiceError):
    """The experiment was edited since the editor looked; `revision` is the one it is at now."""

    code = "stale_revision"

    def __init__(self, message: str, *, revision: int, hint: str | None = None) -> None:
        """Keep the current revision."""
        super().__init__(message, hint=hint)
        self.revision = revision


class UnreachableError(ServiceError):
    """Nothing answers at that address."""

    code = "unreachable"


class ArtifactError(ServiceError):
    """A file that an experiment left behind is gone, or not what it was."""

    code = "artifact_lost"


class StaleAttemptError(ServiceError):
    """Another attempt owns the experiment now; the caller must stop writing."""

    code = "stale_attempt"


class AnswerTooLargeError(ServiceError):
    """More was asked for than one answer may hold."""

    code = "answer_too_large"


class DatabaseError(ServiceError):
    """The database cannot be opened as it is."""

    code = "database_error"


class UnauthenticatedError(ServiceError):
    """No API key was given where one is needed, or the one given is unknown or revoked."""

    code = "unauthenticated"


class ForbiddenError(ServiceError):
    """The API key's scope is too small, or the request came in a way that is not trusted."""

    code = "forbidden"


class TooManyRequestsError(ServiceError):
    """The caller asked more often than it may; `retry_after_s` says when it may again."""

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after_s: int, hint: str | None = None) -> None:
        """Keep the seconds until the next request has a chance."""
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class PolicyError(ServiceError):
    """The experiment is valid but larger than the operator allows; `issues` names every field over its limit."""

    code = "refused_by_policy"

    def __init__(self, issues: list[SpecIssue], *, hint: str | None = None) -> None:
        """Join the issues, one per line, into the message."""
        super().__init__("\n".join(str(issue) for issue in issues), hint=hint)
        self.issues = issues


class BackupError(ServiceError):
    """A backup is damaged, absent or of a newer heron-ray, or cannot be written."""

    code = "invalid_backup"


class NotEndedError(ServiceError):
    """The experiment did not end within the time given; it goes on."""

    code = "not_ended"


class ListenError(ServiceError):
    """The service cannot listen on an address: others could reach it, it is unknown, or it is in use."""

    code = "cannot_listen"
