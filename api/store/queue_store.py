"""`QueueStore`: the queued experiments, oldest first, and why they wait."""

from __future__ import annotations

import builtins
from collections.abc import Mapping

from sqlalchemy import func, select, update

from api.domain.records import ExperimentRecord
from api.domain.states import State
from api.store.database import Database
from api.store.tables import ExperimentRow
from heron_ray.errors import NotFoundError


class QueueStore(Database):
    """The part of the store that admission asks."""

    def queued(self, *, limit: int) -> builtins.list[ExperimentRecord]:
        """Up to `limit` queued experiments, oldest first."""
        oldest = select(ExperimentRow).where(ExperimentRow.state == State.QUEUED).order_by(ExperimentRow.number).limit(limit)
        with self._reading() as session:
            return [row.to_record() for row in session.scalars(oldest)]

    def note_waiting(self, reasons: Mapping[str, str]) -> None:
        """Say why queued experiments wait, by id; those that wait no more are passed over."""
        with self._writing() as session:
            for id, reason in sorted(reasons.items()):
                is_waiting = (ExperimentRow.id == id, ExperimentRow.state == State.QUEUED)
                session.execute(update(ExperimentRow).where(*is_waiting).values(waiting=reason))

    def ahead(self, id: str, *, most: int) -> int:
        """How many older experiments are queued, counted up to `most`; 0 for one that is not queued. Raises NotFoundError."""
        with self._reading() as session:
            found = session.execute(
                select(ExperimentRow.number, ExperimentRow.state).where(ExperimentRow.id == id)
            ).one_or_none()
            if found is None:
                raise NotFoundError(f"there is no experiment {id!r}", hint="GET /v1/experiments lists them")
            if found[1] != State.QUEUED:
                return 0
            older = select(ExperimentRow.number).where(ExperimentRow.state == State.QUEUED, ExperimentRow.number < found[0])
            return session.scalar(select(func.count()).select_from(older.limit(most).subquery())) or 0
