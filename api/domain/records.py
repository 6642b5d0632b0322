"""What the store hands out: frozen copies of rows, safe to keep, to compare and to pass between threads.

Times are aware datetimes in UTC, read from the database's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.domain.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRecord:
    """What lists show of an experiment.

    Attributes:
        number: Orders experiments by age.
        reason: A stable code that says why it stands there (`diverged`, `driver_lost`, ...), if there is one.
        message: A sentence for people beside the reason.
        round: Rounds finished so far.
        rounds: Rounds asked for.
        revision: Counts edits of what people may set beside the spec.
        archived_at: When it was put out of sight; None: it is in the lists.
        waiting: Why it is still QUEUED, for people; None where nobody has looked yet, or it is not queued.
        forked_from: The id of the experiment from whose checkpoint it began.
        sweep_id: The id of the sweep that it is a trial of.
        trial: Its number in that sweep.
        test_accuracy: A final figure; None before it ended with a result that has it.
        validation_accuracy: Likewise.
        auxiliary_accuracy: Likewise.
    """

    number: int
    id: str
    name: str
    spec_hash: str
    trajectory_hash: str
    tags: tuple[str, ...]
    state: State
    reason: str | None
    message: str | None
    round: int
    rounds: int
    created_at: datetime
    updated_at: datetime
    revision: int
    archived_at: datetime | None
    waiting: str | None
    forked_from: str | None
    sweep_id: str | None
    trial: int | None
    test_accuracy: float | None
    validation_accuracy: float | None
    auxiliary_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRecord(SummaryRecord):
    """One experiment: the spec as it was submitted, and where it stands.

    Attributes:
        spec: The canonical form of the spec; it never changes.
        result: What the run measured, once it ended with a result.
        attempts: Attempts begun so far.
        events: The number of its newest event.
        retried_from: The id of the ended experiment that this one repeats.
        retry: How often and for which reasons a lost attempt is made again; None: as the service is set.
        resources: CPUs, GPUs and memory that it is let in with, and where these figures come from.
        forked_round: After this round of `forked_from` it began.
        submitted_by: The id of the API key it came with; None: from this machine, without a key.
    """

    spec: dict[str, Any]
    result: dict[str, Any] | None
    attempts: int
    events: int
    retried_from: str | None
    retry: dict[str, Any] | None
    resources: dict[str, Any] | None
    forked_round: int | None
    submitted_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One execution of an experiment.

    Attributes:
        number: 1 for the first attempt at its experiment, 2 for the second.
        token: The fencing token; only the holder of the newest one may write.
        owner: The dispatcher that holds the lease.
        ended_at: When it ended; None while it lives.
        exit_reason: `succeeded`, `cancelled`, or the reason why it failed or was interrupted.
    """

    id: int
    experiment_id: str
    number: int
    token: int
    owner: str
    lease_expires_at: datetime
    driver_pid: int | None
    node: str | None
    started_at: datetime
    ended_at: datetime | None
    exit_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One thing that happened to an experiment.

    Attributes:
        id: 1, 2, 3, ... within the experiment, without gaps: the cursor of `after=N` and the id on the event stream.
        kind: `state`, or the kind of an engine event.
        data: The event's fields, without its kind and key.
    """

    id: int
    kind: str
    data: dict[str, Any]
    created_at: datetime
