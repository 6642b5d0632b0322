"""The rows of sweeps: finding, queueing and changing them. Callers hold the transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.domain.states import TERMINAL, State
from api.domain.sweeps import SWEEP_TRANSITIONS
from api.store.engine import now
from api.store.sweep_table import SweepRow
from api.store.tables import ExperimentRow
from heron_ray.errors import ConflictError, NotFoundError, StaleAttemptError
from heron_ray.spec.sweep import SweepSpec


def queue_sweep(
    session: Session, base: Mapping[str, Any], sweep: SweepSpec, *, name: str, submitted_by: str | None, key: str | None
) -> SweepRow:
    """A new QUEUED sweep."""
    at = now(session)
    row = SweepRow(
        id=secrets.token_hex(8),
        name=name,
        base=dict(base),
        sweep=sweep.model_dump(mode="json"),
        state=State.QUEUED,
        token=0,
        created_at=at,
        updated_at=at,
        submitted_by=submitted_by,
        idempotency_key=key,
        samples=sweep.samples,
    )
    session.add(row)
    session.flush()
    return row


def add_proposals(row: SweepRow, proposals: Sequence[Mapping[str, JsonValue]], *, after: int) -> None:
    """Add trials, the first of them number `after` + 1; those that are there already stay as they are."""
    known = row.proposals or []
    fresh = [dict(trial) for trial in proposals[max(0, len(known) - after) :]]
    if fresh or row.proposals is None:
        row.proposals = [*known, *fresh]


def requeue_sweep(session: Session, row: SweepRow) -> None:
    """Queue a sweep that has ended again, and whole: it is not paused."""
    change_sweep(session, row, State.QUEUED)
    let_go_of_sweep(row)
    row.paused_at = None


def let_go_of_sweep(row: SweepRow) -> None:
    """Nobody owns it, and who did may write no more."""
    row.token += 1
    row.owner = row.owner_pid = row.lease_expires_at = None


def require_ended_sweep(session: Session, row: ExperimentRow) -> None:
    """Raise ConflictError where an experiment is a trial of a sweep that still counts on it."""
    state = session.scalar(select(SweepRow.state).where(SweepRow.id == row.sweep_id)) if row.sweep_id else None
    if state is not None and State(state) not in TERMINAL:
        raise ConflictError(
            f"experiment {row.id} is a trial of sweep {row.sweep_id}, which is {state}", hint="cancel the sweep"
        )


def find_sweep(session: Session, id: str, *, lock: bool = False) -> SweepRow:
    """The sweep with this id. Raises NotFoundError."""
    statement = select(SweepRow).where(SweepRow.id == id)
    row = session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise NotFoundError(f"there is no sweep {id!r}", hint="GET /v1/sweeps lists them")
    return row


def fenced_sweep(session: Session, id: str, token: int) -> SweepRow:
    """The sweep, locked, for the holder of the current token only."""
    row = find_sweep(session, id, lock=True)
    if row.token != token or State(row.state) in TERMINAL:
        raise StaleAttemptError(f"sweep {id} {'has ended' if row.token == token else f'has another owner now: {row.owner}'}")
    return row


def lend_sweep(session: Session, row: SweepRow, owner: str, lease_s: float) -> None:
    """Give a sweep to an owner; the token of the one before is stale from now on."""
    row.token += 1
    row.owner, row.owner_pid = owner, None
    row.lease_expires_at = now(session) + timedelta(seconds=lease_s)


def change_sweep(
    session: Session, row: SweepRow, state: State, *, reason: str | None = None, message: str | None = None
) -> None:
    """Move to `state`. Raises ConflictError where the table of sweeps does not allow it."""
    if state not in SWEEP_TRANSITIONS[State(row.state)]:
        raise ConflictError(f"a sweep that is {row.state} cannot become {state}")
    row.state, row.reason, row.message = state, reason, message
    row.updated_at = now(session)
