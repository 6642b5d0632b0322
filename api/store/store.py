"""`Store`: every question the service asks its database, and every change it makes.

Each method is one transaction and hands out frozen records. Writers on one experiment take turns by its row lock
(PostgreSQL) or by the one writer's lock (SQLite), which makes event numbers gapless. Thread safe.
"""

from __future__ import annotations

import builtins
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from api.domain.records import AttemptRecord, EventRecord, ExperimentRecord
from api.domain.states import LIVE, TERMINAL, State
from api.store import attempts
from api.store.engine import now, open_engine, translated_errors, writer
from api.store.history import append_events, append_state_event, change_state, plain
from api.store.migrate import migrate
from api.store.tables import AttemptRow, EventRow, ExperimentRow, PointRow, TagRow
from heron_ray.errors import ConflictError, NotFoundError
from heron_ray.spec import ExperimentSpec


class Store:
    """The record of all experiments.

    Build it with `Store.open`; the constructor takes an engine whose database is already migrated.
    """

    def __init__(self, engine: Engine) -> None:
        """Share one pool between readers and writers."""
        self._engine = engine
        self._writer = writer(engine)

    @classmethod
    def open(cls, url: str) -> Store:
        """Connect, and create or upgrade the schema.

        Args:
            url: `sqlite:////path/heron.db` or `postgresql://...`.

        Raises:
            DatabaseError: It cannot be opened, is not one of heron-ray's, or was written by a newer version.
        """
        engine = open_engine(url)
        try:
            migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    def submit(self, spec: ExperimentSpec, tags: Sequence[str] = ()) -> ExperimentRecord:
        """Queue an experiment; it is committed when this returns."""
        with self._writing() as session:
            at = now(session)
            row = ExperimentRow(
                id=secrets.token_hex(8),
                name=spec.name,
                spec=spec.canonical(),
                spec_hash=spec.spec_hash(),
                trajectory_hash=spec.trajectory_hash(),
                state=State.QUEUED,
                round=0,
                rounds=spec.rounds,
                created_at=at,
                updated_at=at,
                attempts=0,
                events=0,
                tags=[TagRow(tag=tag, position=position) for position, tag in enumerate(dict.fromkeys(tags))],
            )
            session.add(row)
            session.flush()
            append_state_event(session, row, at)
            return row.to_record()

    def get(self, id: str) -> ExperimentRecord:
        """One experiment. Raises NotFoundError."""
        with self._reading() as session:
            return _find(session, id).to_record()

    def list(
        self, *, limit: int, before: str | None = None, states: Sequence[State] = (), tag: str | None = None
    ) -> builtins.list[ExperimentRecord]:
        """Up to `limit` experiments, newest first, older than the experiment `before`. Raises NotFoundError for `before`."""
        statement = select(ExperimentRow).order_by(ExperimentRow.number.desc()).limit(limit)
        if states:
            statement = statement.where(ExperimentRow.state.in_(states))
        if tag is not None:
            statement = statement.where(ExperimentRow.tags.any(TagRow.tag == tag))
        with self._reading() as session:
            if before is not None:
                statement = statement.where(ExperimentRow.number < _find(session, before).number)
            return [row.to_record() for row in session.scalars(statement)]

    def attempts(self, id: str) -> builtins.list[AttemptRecord]:
        """The attempts at an experiment, oldest first. Raises NotFoundError."""
        with self._reading() as session:
            number = _find(session, id).number
            statement = select(AttemptRow).where(AttemptRow.experiment == number).order_by(AttemptRow.number)
            return [attempt.to_record(id) for attempt in session.scalars(statement)]

    def series(self, id: str) -> dict[str, dict[str, Any]]:
        """Every series: name -> {"rounds": [...], "values": [...]}, in order of rounds. Raises NotFoundError."""
        found: dict[str, dict[str, Any]] = {}
        with self._reading() as session:
            number = _find(session, id).number
            statement = select(PointRow.series, PointRow.round, PointRow.value).where(PointRow.experiment == number)
            for name, round, value in session.execute(statement.order_by(PointRow.series, PointRow.round)):
                curve = found.setdefault(name, {"rounds": [], "values": []})
                curve["rounds"].append(round)
                curve["values"].append(value)
        return found

    def events(self, id: str, *, after: int, limit: int) -> builtins.list[EventRecord]:
        """Up to `limit` events with a number above `after`, in order. Raises NotFoundError."""
        with self._reading() as session:
            number = _find(session, id).number
            statement = select(EventRow).where(EventRow.experiment == number, EventRow.id > after)
            return [row.to_record() for row in session.scalars(statement.order_by(EventRow.id).limit(limit))]

    def request_cancel(self, id: str) -> ExperimentRecord:
        """Cancel: at once where it is queued, else ask the dispatcher to; asking twice is no error.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has ended.
        """
        with self._writing() as session:
            row = _find(session, id, lock=True)
            if State(row.state) in TERMINAL:
                raise ConflictError(f"experiment {id} has ended: it is {row.state} and cannot be cancelled")
            if row.state != State.CANCELLING:
                target = State.CANCELLED if row.state == State.QUEUED else State.CANCELLING
                change_state(session, row, target, now(session), reason="cancel_requested", message="cancelled on request")
            return row.to_record()

    def claim(self, *, owner: str, lease_s: float) -> tuple[ExperimentRecord, AttemptRecord] | None:
        """Take the oldest queued experiment and start an attempt at it; None where nothing is queued."""
        oldest = select(ExperimentRow).where(ExperimentRow.state == State.QUEUED).order_by(ExperimentRow.number).limit(1)
        with self._reading() as session:
            # Looking first keeps an idle dispatcher from taking the writer's lock at every look.
            if session.scalar(oldest.with_only_columns(ExperimentRow.number)) is None:
                return None
        with self._writing() as session:
            row = session.scalar(oldest.with_for_update(skip_locked=True))
            if row is None:
                return None
            attempt = attempts.begin(session, row, now(session), owner=owner, lease_s=lease_s)
            return row.to_record(), attempt.to_record(row.id)

    def running(self, attempt_id: int, token: int, *, driver_pid: int, node: str) -> None:
        """The driver runs: note where, and move STARTING to RUNNING. Raises StaleAttemptError."""
        with self._writing() as session:
            row, attempt = attempts.fenced(session, attempt_id, token)
            attempt.driver_pid, attempt.node = driver_pid, node
            if row.state == State.STARTING:
                change_state(session, row, State.RUNNING, now(session))

    def renew(self, attempt_ids_and_tokens: Sequence[tuple[int, int]], *, lease_s: float) -> builtins.list[int]:
        """Prolong leases to `lease_s` from now; returns the ids of those that are no longer the caller's."""
        with self._writing() as session:
            expires_at = now(session) + timedelta(seconds=lease_s)
            stale = []
            for attempt_id, token in sorted(attempt_ids_and_tokens):
                mine = (AttemptRow.id == attempt_id, AttemptRow.token == token, AttemptRow.ended_at.is_(None))
                renewed = update(AttemptRow).where(*mine).values(lease_expires_at=expires_at).returning(AttemptRow.id)
                if session.scalar(renewed) is None:
                    stale.append(attempt_id)
            return stale

    def record(self, attempt_id: int, token: int, *, events: Sequence[Mapping[str, Any]]) -> None:
        """Store engine events (`Event.to_dict()`); those already there are skipped, their points written again.

        `round_finished` raises the experiment's round and carries points in its metrics. Raises StaleAttemptError.
        """
        with self._writing() as session:
            row, _ = attempts.fenced(session, attempt_id, token)
            append_events(session, row, events, now(session))

    def finish(
        self,
        attempt_id: int,
        token: int,
        *,
        state: State,
        reason: str | None,
        message: str | None,
        result: Mapping[str, Any] | None,
    ) -> None:
        """End the attempt and its experiment as SUCCEEDED, FAILED or CANCELLED.

        Raises:
            StaleAttemptError: The attempt is no longer the caller's.
            ConflictError: `state` is no end, or may not follow the state the experiment is in.
        """
        if state not in TERMINAL:
            raise ConflictError(f"an attempt cannot finish as {state}: it is no end")
        with self._writing() as session:
            row, attempt = attempts.fenced(session, attempt_id, token)
            at = now(session)
            attempts.end(attempt, at, reason or state.lower())
            row.result = None if result is None else plain(result)
            change_state(session, row, state, at, reason=reason, message=message)

    def interrupt(self, attempt_id: int, token: int, *, reason: str, message: str, max_attempts: int) -> ExperimentRecord:
        """The infrastructure lost the attempt: queue the experiment again, or end it.

        It ends CANCELLED where a cancel was under way, and FAILED `retries_exhausted` after `max_attempts` attempts.
        Raises StaleAttemptError.
        """
        with self._writing() as session:
            row, attempt = attempts.fenced(session, attempt_id, token)
            at = now(session)
            attempts.end(attempt, at, reason)
            if row.state == State.CANCELLING:
                change_state(session, row, State.CANCELLED, at, reason="cancel_requested", message=message)
                return row.to_record()
            change_state(session, row, State.INTERRUPTED, at, reason=reason, message=message)
            if row.attempts < max_attempts:
                change_state(session, row, State.QUEUED, at, reason=reason, message=message)
            else:
                told = f"gave up after {row.attempts} attempts; the last one: {message}"
                change_state(session, row, State.FAILED, at, reason="retries_exhausted", message=told)
            return row.to_record()

    def live_attempts(self) -> builtins.list[tuple[ExperimentRecord, AttemptRecord]]:
        """Every attempt that has not ended, oldest first, with its experiment."""
        statement = (
            select(ExperimentRow, AttemptRow)
            .join(AttemptRow, AttemptRow.experiment == ExperimentRow.number)
            .where(AttemptRow.ended_at.is_(None), ExperimentRow.state.in_(LIVE))
            .order_by(AttemptRow.id)
        )
        with self._reading() as session:
            return [(row.to_record(), attempt.to_record(row.id)) for row, attempt in session.execute(statement)]

    def adopt(self, attempt_id: int, *, owner: str, lease_s: float) -> AttemptRecord:
        """Take over a living attempt under a new token; the old one is stale from now on. Raises StaleAttemptError."""
        with self._writing() as session:
            row, attempt = attempts.lock(session, attempt_id)
            attempt.token += 1
            attempt.owner = owner
            attempt.lease_expires_at = now(session) + timedelta(seconds=lease_s)
            return attempt.to_record(row.id)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with translated_errors(), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with translated_errors(), Session(self._writer) as session, session.begin():
            yield session


def _find(session: Session, id: str, *, lock: bool = False) -> ExperimentRow:
    statement = select(ExperimentRow).where(ExperimentRow.id == id)
    row = session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise NotFoundError(f"there is no experiment {id!r}", hint="GET /v1/experiments lists them")
    return row
