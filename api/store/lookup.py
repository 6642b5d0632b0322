"""Finding one experiment by its id, and asking whether it has ended. Callers hold the transaction."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.domain.states import TERMINAL, State
from api.store.tables import ExperimentRow
from heron_ray.errors import ConflictError, NotFoundError


def find(session: Session, id: str, *, lock: bool = False) -> ExperimentRow:
    """The experiment's row. Raises NotFoundError."""
    statement = select(ExperimentRow).where(ExperimentRow.id == id)
    row = session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise unknown(id)
    return row


def unknown(id: str) -> NotFoundError:
    """The error that says that there is no such experiment."""
    return NotFoundError(f"there is no experiment {id!r}", hint="GET /v1/experiments lists them")


def require_ended(row: ExperimentRow, done: str, *, hint: str) -> None:
    """Raise ConflictError unless the experiment has ended; `done` is what cannot be done to it before."""
    if State(row.state) not in TERMINAL:
        raise ConflictError(f"experiment {row.id} has not ended: it is {row.state} and cannot be {done}", hint=hint)
