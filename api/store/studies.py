"""`StudyStore`: studies, each submitted with all of its experiments or not at all."""

from __future__ import annotations

import builtins
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from api.domain.states import State
from api.domain.studies import StudyCellRecord, StudyExperiment, StudyRecord
from api.store.bulk import insert_rows
from api.store.database import Database
from api.store.engine import now
from api.store.once import once
from api.store.study_tables import StudyCellRow, StudyRow
from api.store.submission import queue_experiment
from api.store.tables import ExperimentRow, table_of
from heron_ray.errors import DivergedError, NotFoundError
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.study import StudySpec

Found = ExperimentSpec | str
"""A cell as it is submitted: its experiment, or why it is impossible."""


class StudyStore(Database):
    """The record of all studies. `Store.studies` is one over the same database."""

    def submit(
        self,
        study: StudySpec,
        cells: Sequence[Found],
        *,
        tags: Sequence[str] = (),
        key: str | None = None,
        submitted_by: str | None = None,
        retry: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
    ) -> tuple[StudyRecord, bool]:
        """Queue a study's experiments in the order of its cells; cells with one trajectory hash share one experiment.

        Args:
            study: The study.
            cells: What its cells are.
            tags: Of every experiment.
            key: Submitting again under the same key finds the study that was made at the first time.
            submitted_by: The id of the API key it is asked for with, if it is with one.
            retry: The policy of every experiment.
            resources: What every experiment declares to need.

        Returns:
            The study, and whether it is new.

        Raises:
            ConflictError: The key was used for another study.
        """
        more: dict[str, Any] = {"submitted_by": submitted_by, "retry": retry, "resources": resources}
        with self._writing() as session:
            if key is None:
                return _queue(session, study, cells, tags, None, more).to_record(), True
            row, is_new = once(
                session,
                StudyRow,
                key,
                lambda: _queue(session, study, cells, tags, key, more),
                is_same=lambda row: row.study == study.model_dump(mode="json"),
            )
            return row.to_record(), is_new

    def get(self, id: str) -> StudyRecord:
        """One study. Raises NotFoundError."""
        with self._reading() as session:
            return _find(session, id).to_record()

    def list(self, *, limit: int, before: str | None = None) -> builtins.list[StudyRecord]:
        """Up to `limit` studies, newest first, older than the study `before`. Raises NotFoundError for `before`."""
        statement = select(StudyRow).order_by(StudyRow.number.desc()).limit(limit)
        with self._reading() as session:
            if before is not None:
                statement = statement.where(StudyRow.number < _find(session, before).number)
            return [row.to_record() for row in session.scalars(statement)]

    def states(self, ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """How many cells of these studies are in each state: that of their experiments; DIVERGED, IMPOSSIBLE or DELETED.

        Nobody keeps it: experiments change without looking at studies.
        """
        state = case(
            (StudyCellRow.impossible.is_not(None), "IMPOSSIBLE"),
            (ExperimentRow.number.is_(None), "DELETED"),
            ((ExperimentRow.state == State.FAILED) & (ExperimentRow.reason == DivergedError.code), "DIVERGED"),
            else_=ExperimentRow.state,
        ).label("state")
        counted = (
            select(StudyRow.id, state, func.count())
            .join(StudyCellRow, StudyCellRow.study == StudyRow.number)
            .outerjoin(ExperimentRow, ExperimentRow.number == StudyCellRow.experiment)
            .where(StudyRow.id.in_(ids))
            .group_by(StudyRow.id, state)
        )
        found: dict[str, dict[str, int]] = {id: {} for id in ids}
        with self._reading() as session:
            for id, name, cells in session.execute(counted):
                found[id][name] = cells
        return found

    def cells(self, id: str) -> builtins.list[StudyCellRecord]:
        """Every cell, in the study's order. Raises NotFoundError."""
        columns = [getattr(ExperimentRow, name) for name in ("id", "spec", "state", "reason", "message", "result")]
        with self._reading() as session:
            number = _find(session, id).number
            mine = select(StudyCellRow.experiment).where(StudyCellRow.study == number)
            experiments = {
                key: StudyExperiment(id=id, spec=spec, state=State(state), reason=reason, message=message, result=result)
                for key, id, spec, state, reason, message, result in session.execute(
                    select(ExperimentRow.number, *columns).where(ExperimentRow.number.in_(mine))
                )
            }
            rows = session.scalars(select(StudyCellRow).where(StudyCellRow.study == number).order_by(StudyCellRow.cell))
            return [
                StudyCellRecord(
                    experiment=None if row.experiment is None else experiments[row.experiment], impossible=row.impossible
                )
                for row in rows
            ]


def _queue(
    session: Session,
    study: StudySpec,
    cells: Sequence[Found],
    tags: Sequence[str],
    key: str | None,
    more: Mapping[str, Any],
) -> StudyRow:
    # By trajectory hash, which takes its time: each cell's is computed once.
    hashes = [None if isinstance(spec, str) else spec.trajectory_hash() for spec in cells]
    numbers: dict[str | None, int] = {}
    for spec, hash in zip(cells, hashes, strict=True):
        if isinstance(spec, ExperimentSpec) and hash not in numbers:
            numbers[hash] = queue_experiment(session, spec, tags, **more).number
    row = StudyRow(
        id=secrets.token_hex(8),
        name=study.name,
        study=study.model_dump(mode="json"),
        cells=len(cells),
        experiments=len(numbers),
        created_at=now(session),
        submitted_by=more["submitted_by"],
        idempotency_key=key,
    )
    session.add(row)
    session.flush()
    places = [
        {
            "study": row.number,
            "cell": cell,
            "experiment": numbers.get(hash),
            "impossible": spec if isinstance(spec, str) else None,
        }
        for cell, (spec, hash) in enumerate(zip(cells, hashes, strict=True))
    ]
    insert_rows(session, table_of(StudyCellRow), places)
    return row


def _find(session: Session, id: str) -> StudyRow:
    row = session.scalar(select(StudyRow).where(StudyRow.id == id))
    if row is None:
        raise NotFoundError(f"there is no study {id!r}", hint="GET /v1/studies lists them")
    return row
