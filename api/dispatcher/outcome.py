"""`Outcome`: how a run ended, in the words of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.exceptions import OutOfMemoryError, RayError

from api.domain.artifacts import ArtifactFile
from api.domain.states import State
from heron_ray.errors import ExhaustedMemoryError, HeronError, LostActorError

if TYPE_CHECKING:
    from heron_ray.simulation.result import RunResult

INTERNAL_ERROR = "internal_error"


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
        if isinstance(error, LostActorError):
            return cls(state=State.INTERRUPTED, reason=error.code, message=str(error))
        if isinstance(error, HeronError):
            return cls(state=State.FAILED, reason=error.code, message=str(error))
        if isinstance(error, MemoryError | OutOfMemoryError):
            return cls(state=State.FAILED, reason=ExhaustedMemoryError.code, message=str(error) or "out of memory")
        told = f"{type(error).__name__}: {error}"
        if isinstance(error, RayError):
            return cls(state=State.INTERRUPTED, reason=LostActorError.code, message=told)
        return cls(state=State.FAILED, reason=INTERNAL_ERROR, message=told)
