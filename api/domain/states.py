"""The states of an experiment and the one table of how they may follow one another.

FAILED is the experiment's own fault; INTERRUPTED is the infrastructure's, never lasts, and leads back to QUEUED until
the attempts are used up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from heron_ray.errors import ConflictError


class State(StrEnum):
    """Where an experiment stands."""

    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    INTERRUPTED = "INTERRUPTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


# A run may end before anyone saw it running, so STARTING leads to every end but CANCELLED.
TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.QUEUED: frozenset({State.STARTING, State.CANCELLED}),
        State.STARTING: frozenset({State.RUNNING, State.CANCELLING, State.INTERRUPTED, State.SUCCEEDED, State.FAILED}),
        State.RUNNING: frozenset({State.CANCELLING, State.INTERRUPTED, State.SUCCEEDED, State.FAILED}),
        State.CANCELLING: frozenset({State.CANCELLED, State.SUCCEEDED, State.FAILED}),
        State.INTERRUPTED: frozenset({State.QUEUED, State.FAILED}),
        State.SUCCEEDED: frozenset(),
        State.FAILED: frozenset(),
        State.CANCELLED: frozenset(),
    }
)

TERMINAL = frozenset(state for state in State if not TRANSITIONS[state])
"""Nothing follows; the row never changes again."""

LIVE = frozenset(state for state in State if State.SUCCEEDED in TRANSITIONS[state])
"""An attempt is under way."""


KILL_REQUESTED = "kill_requested"
"""The reason of a CANCELLING experiment whose processes are to end at once, in the middle of a round."""


def require_transition(old: State, new: State) -> None:
    """Raise ConflictError unless the table allows `new` to follow `old`.

    >>> require_transition(State.QUEUED, State.STARTING)
    """
    if new not in TRANSITIONS[old]:
        raise ConflictError(f"an experiment that is {old} cannot become {new}")
