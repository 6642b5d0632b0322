"""Submissions under an idempotency key: the first makes a row, every later one finds it. Callers hold the transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.store.study_tables import StudyRow
from api.store.sweep_table import SweepRow
from api.store.tables import ExperimentRow
from heron_ray.errors import ConflictError

Row = TypeVar("Row", ExperimentRow, SweepRow, StudyRow)


def once(
    session: Session, table: type[Row], key: str, make: Callable[[], Row], *, is_same: Callable[[Row], bool]
) -> tuple[Row, bool]:
    """The row that was submitted under `key`, and whether it is new.

    Args:
        session: Of the transaction.
        table: Whose rows have keys.
        key: The idempotency key.
        make: Adds the row, with the key.
        is_same: Whether a row that is there already is what is being submitted.

    Raises:
        ConflictError: The key belongs to another submission.
    """
    under_key = select(table).where(table.idempotency_key == key)
    earlier = session.scalar(under_key)
    if earlier is None:
        try:
            with session.begin_nested():
                return make(), True
        except IntegrityError:
            # Another process submitted under the key since we looked. The unique index decided, and its row is committed.
            earlier = session.scalar(under_key)
            if earlier is None:
                raise
    if not is_same(earlier):
        raise ConflictError(
            f"the idempotency key {key!r} was used for another submission: {table.__tablename__} {earlier.id}",
            hint="use a new key for a new submission",
        )
    return earlier, False
