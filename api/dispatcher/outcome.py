"""`Outcome`: how a run ended, in the words of the store."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.exceptions import OutOfMemoryError, RayError

from api.domain.artifacts import ArtifactFile
from api.domain.states import State
from heron_ray.errors import CheckpointError, ExhaustedMemoryError, HeronError, LostActorError, StaleAttemptError

if TYPE_CHECKING:
    from heron_ray.simulation.result import RunResult

INTERNAL_ERROR = "internal_error"
DISK_FULL = "disk_full"
CHECKPOINT_NOT_WRITTEN = "checkpoint_not_written"
MEMORY_HINT = "lower clients.batch_size or compute.actors, or declare resources.memory_bytes so that it waits for room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """SUCCEEDED, CANCELLED or FAILED; or INTERRUPTED, where the run was not at fault and can be resumed.

    `artifacts` are the files that the run left behind.
    """

    state: State
    reason: str | None = None
    message: str | None = None
    result: dict[str, Any] | None = None
    artifacts: tuple[ArtifactFile, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether the process that ran it can be trusted with another run."""
        broken = (INTERNAL_ERROR, ExhaustedMemoryError.code)
        return self.state != State.INTERRUPTED and self.reason not in broken

    @classmethod
    def of_result(cls, result: RunResult) -> Outcome:
        """The run came to its end, or was stopped on request."""
        return cls(state=State(result.state), result=result.to_dict())

    @classmethod
    def of_error(cls, error: BaseException) -> Outcome:
        """Whose fault was it: the infrastructure's (INTERRUPTED) or the experiment's (FAILED)?

        >>> Outcome.of_error(LostActorError("a client actor died")).state
        <State.INTERRUPTED: 'INTERRUPTED'>
        """
        if isinstance(error, LostActorError | StaleAttemptError):
            return cls(state=State.INTERRUPTED, reason=error.code, message=str(error))
        if isinstance(error, CheckpointError) and isinstance(error.__cause__, OSError):
            is_full = error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
            return cls(state=State.FAILED, reason=DISK_FULL if is_full else CHECKPOINT_NOT_WRITTEN, message=str(error))
        if isinstance(error, HeronError):
            return cls(state=State.FAILED, reason=error.code, message=str(error))
        if isinstance(error, MemoryError | OutOfMemoryError):
            return cls(state=State.FAILED, reason=ExhaustedMemoryError.code, message=told_of_memory(error))
        told = f"{type(error).__name__}: {error}"
        if isinstance(error, RayError):
            return cls(state=State.INTERRUPTED, reason=LostActorError.code, message=told)
        return cls(state=State.FAILED, reason=INTERNAL_ERROR, message=told)


def told_of_memory(error: BaseException) -> str:
    """What ran out, with the figures that the error has, and the way out.

    Ray's own message is a page long; of it, what the machine had in use is kept.

    >>> told_of_memory(OutOfMemoryError("Memory on the node (IP: 10.0.0.1, ID: a) was 30.17GB / 30.58GB (0.986), which"))
    'Ray ended a process because the machine was out of memory, with 30.17GB of 30.58GB in use (lower clients.batch_size ...
    """
    used = re.search(r"was\s+([\d.]+\s?\w?B) / ([\d.]+\s?\w?B)", str(error))
    if isinstance(error, OutOfMemoryError):
        figures = f", with {used[1]} of {used[2]} in use" if used else ""
        return f"Ray ended a process because the machine was out of memory{figures} ({MEMORY_HINT})"
    return f"memory ran out: {str(error) or 'a process could not get what it asked for'} ({MEMORY_HINT})"
