"""`ArtifactStore`: the files that experiments left behind, and which of those on disk nobody needs any more."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from api.domain.artifacts import ArtifactFile, ArtifactRecord
from api.domain.states import TERMINAL, State
from api.store import attempts
from api.store.database import Database
from api.store.engine import now
from api.store.lookup import unknown
from api.store.tables import ArtifactRow, ExperimentRow
from heron_ray.errors import NotFoundError

# Keeps a statement's parameters far below every database's limit.
CHUNK = 500


class ArtifactStore(Database):
    """The record of all artifacts. `Store.artifacts` is one over the same database."""

    def record(self, attempt_id: int, token: int, *, files: Sequence[ArtifactFile]) -> None:
        """These are the experiment's artifacts now, and no others. Raises StaleAttemptError."""
        with self._writing() as session:
            row, _ = attempts.fenced(session, attempt_id, token)
            at = now(session)
            session.execute(delete(ArtifactRow).where(ArtifactRow.experiment == row.number))
            rows = [
                {
                    "experiment": row.number,
                    "name": file.name,
                    "kind": file.kind,
                    "size_bytes": file.size_bytes,
                    "sha256": file.sha256,
                    "round": file.round,
                    "created_at": at,
                }
                for file in files
            ]
            if rows:
                session.execute(insert(ArtifactRow), rows)

    def of(self, id: str) -> list[ArtifactRecord]:
        """The artifacts of an experiment, by name; none before it has ended. Raises NotFoundError."""
        with self._reading() as session:
            statement = select(ArtifactRow).where(ArtifactRow.experiment == _number(session, id)).order_by(ArtifactRow.name)
            return [row.to_record() for row in session.scalars(statement)]

    def find(self, id: str, name: str) -> tuple[ArtifactRecord, int]:
        """One artifact, and the number of the attempt that left it: the last. Raises NotFoundError."""
        statement = (
            select(ArtifactRow, ExperimentRow.attempts)
            .join(ExperimentRow, ExperimentRow.number == ArtifactRow.experiment)
            .where(ExperimentRow.id == id, ArtifactRow.name == name)
        )
        with self._reading() as session:
            found = session.execute(statement).one_or_none()
            if found is None:
                _number(session, id)
                raise NotFoundError(
                    f"experiment {id} has no artifact {name!r}", hint=f"GET /v1/experiments/{id}/artifacts lists those it has"
                )
            return found[0].to_record(), found[1]

    def unknown(self, ids: Iterable[str]) -> set[str]:
        """Those of these ids that no experiment has."""
        missing, waiting = set(ids), sorted(set(ids))
        with self._reading() as session:
            for start in itertools.count(0, CHUNK):
                if not (chunk := waiting[start : start + CHUNK]):
                    return missing
                missing.difference_update(session.scalars(select(ExperimentRow.id).where(ExperimentRow.id.in_(chunk))))
        return missing

    def parents_of_unfinished(self) -> set[str]:
        """The ids of experiments from whose checkpoint another one, that has not ended, begins or began."""
        unfinished = [state for state in State if state not in TERMINAL]
        statement = select(ExperimentRow.forked_from).where(
            ExperimentRow.state.in_(unfinished), ExperimentRow.forked_from.is_not(None)
        )
        with self._reading() as session:
            return {parent for parent in session.scalars(statement) if parent is not None}


def _number(session: Session, id: str) -> int:
    number = session.scalar(select(ExperimentRow.number).where(ExperimentRow.id == id))
    if number is None:
        raise unknown(id)
    return number
