"""`DispatcherStore`: what every dispatcher says of itself and of its cluster."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Integer, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from api.domain.admission import Resources
from api.domain.cluster import SILENT_AFTER, DispatcherRecord, Node, Running
from api.store.database import Database
from api.store.engine import now
from api.store.tables import LIVING, AttemptRow, Base, ExperimentRow

FORGOTTEN_AFTER = timedelta(days=1)
"""So long a dispatcher that was killed stays on record, for whoever wonders where it is."""


class DispatcherRow(Base):
    """The last thing a dispatcher said; a row goes when its dispatcher ends."""

    __tablename__ = "dispatcher"

    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    slots: Mapped[int] = mapped_column(Integer)
    nodes: Mapped[list[Any]] = mapped_column(JSON)
    seen_at: Mapped[datetime]


class DispatcherStore(Database):
    """The record of dispatchers. `Store.dispatchers` is one over the same database."""

    def note(self, owner: str, *, slots: int, nodes: Sequence[Node]) -> None:
        """A dispatcher is there; those that have been silent for a day are forgotten."""
        with self._writing() as session:
            at = now(session)
            session.merge(DispatcherRow(owner=owner, slots=slots, nodes=[node.as_json() for node in nodes], seen_at=at))
            session.execute(delete(DispatcherRow).where(DispatcherRow.seen_at < at - FORGOTTEN_AFTER))

    def forget(self, owner: str) -> None:
        """A dispatcher has ended."""
        with self._writing() as session:
            session.execute(delete(DispatcherRow).where(DispatcherRow.owner == owner))

    def list(self) -> builtins.list[DispatcherRecord]:
        """All of them, by name, with what they run."""
        with self._reading() as session:
            at = now(session)
            running = _running(session)
            return [
                DispatcherRecord(
                    owner=row.owner,
                    slots=row.slots,
                    nodes=tuple(Node.of(node) for node in row.nodes),
                    seen_at=row.seen_at,
                    running=tuple(running.get(row.owner, ())),
                    is_silent=row.seen_at < at - SILENT_AFTER,
                )
                for row in session.scalars(select(DispatcherRow).order_by(DispatcherRow.owner))
            ]


def _running(session: Session) -> dict[str, list[Running]]:
    """Living attempts by owner, oldest first."""
    columns = (AttemptRow.owner, AttemptRow.node, ExperimentRow.id, ExperimentRow.name, ExperimentRow.resources)
    living = select(*columns).join(ExperimentRow, ExperimentRow.number == AttemptRow.experiment).where(LIVING)
    found: dict[str, list[Running]] = {}
    for owner, node, id, name, resources in session.execute(living.order_by(AttemptRow.id)):
        found.setdefault(owner, []).append(Running(id=id, name=name, node=node, resources=Resources.of(resources or {})))
    return found
