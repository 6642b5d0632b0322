"""Attempts: who may write for an experiment, and for how long. Callers hold the transaction.

A token is checked with the rows locked, so a process that was believed dead and comes back cannot write after its
successor began.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.domain.retry import SERVICE_STOPPED
from api.domain.states import State
from api.store.history import change_state
from api.store.tables import AttemptRow, ExperimentRow
from heron_ray.errors import StaleAttemptError


def begin(session: Session, row: ExperimentRow, at: datetime, *, owner: str, lease_s: float) -> AttemptRow:
    """Start the next attempt at a queued experiment."""
    row.attempts += 1
    attempt = AttemptRow(
        experiment=row.number,
        number=row.attempts,
        token=1,
        owner=owner,
        lease_expires_at=at + timedelta(seconds=lease_s),
        started_at=at,
    )
    session.add(attempt)
    change_state(session, row, State.STARTING, at)
    session.flush()
    return attempt


def lock(session: Session, attempt_id: int) -> tuple[ExperimentRow, AttemptRow]:
    """A living attempt and its experiment, locked. Raises StaleAttemptError where it ended or never was."""
    statement = (
        select(ExperimentRow, AttemptRow)
        .join(AttemptRow, AttemptRow.experiment == ExperimentRow.number)
        .where(AttemptRow.id == attempt_id)
        .with_for_update()
    )
    found = session.execute(statement).one_or_none()
    if found is None or found[1].ended_at is not None:
        raise StaleAttemptError(f"attempt {attempt_id} {'is unknown' if found is None else 'has ended'}")
    return found[0], found[1]


def fenced(session: Session, attempt_id: int, token: int) -> tuple[ExperimentRow, AttemptRow]:
    """Like `lock`, for the holder of the current token only. Raises StaleAttemptError."""
    row, attempt = lock(session, attempt_id)
    if attempt.token != token:
        raise StaleAttemptError(f"attempt {attempt_id} of experiment {row.id} has another owner now: {attempt.owner}")
    return row, attempt


def require_held(session: Session, attempt_id: int, token: int) -> None:
    """Raise StaleAttemptError unless the attempt lives and `token` is its newest. Locks nothing."""
    attempt = session.get(AttemptRow, attempt_id)
    if attempt is None or attempt.ended_at is not None or attempt.token != token:
        raise StaleAttemptError(f"attempt {attempt_id} has ended or has another owner")


def counted(session: Session, row: ExperimentRow) -> int:
    """The attempts begun at an experiment, but for those that a stop of the service ended."""
    same = (AttemptRow.experiment == row.number, AttemptRow.exit_reason == SERVICE_STOPPED)
    stopped = session.scalar(select(func.count()).select_from(AttemptRow).where(*same)) or 0
    return row.attempts - stopped


def end(attempt: AttemptRow, at: datetime, exit_reason: str) -> None:
    """Nobody may write under it any more."""
    attempt.ended_at, attempt.exit_reason = at, exit_reason
