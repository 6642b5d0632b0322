"""`Store`: every question the service asks its database, and every change it makes.

Each method is one transaction and hands out frozen records. Writers on one experiment take turns by its row lock
(PostgreSQL) or by the one writer's lock (SQLite), which makes event numbers gapless. Thread safe.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, QueuePool, delete, func, select

from api.domain.admission import declared
from api.domain.listing import Filters, Order
from api.domain.records import AttemptRecord, EventRecord, ExperimentRecord
from api.domain.states import KILL_REQUESTED, TERMINAL, State
from api.store.artifacts import ArtifactStore
from api.store.attempt_store import AttemptStore
from api.store.curves import CurveStore
from api.store.dispatchers import DispatcherStore
from api.store.edit_store import EditStore
from api.store.engine import now, open_engine
from api.store.forks import ForkStore
from api.store.history import change_state
from api.store.keys import KeyStore
from api.store.list_store import ListStore
from api.store.listing import page_of
from api.store.lookup import find, require_ended, unknown
from api.store.migrate import migrate
from api.store.queue_store import QueueStore
from api.store.studies import StudyStore
from api.store.submission import queue_experiment, queue_once
from api.store.sweep_rows import require_ended_sweep
from api.store.sweeps import SweepStore
from api.store.tables import AttemptRow, EventRow, ExperimentRow, PointRow
from heron_ray.errors import ConflictError
from heron_ray.spec import ExperimentSpec, parse_spec


class Store(AttemptStore, QueueStore):
    """The record of all experiments.

    Build it with `Store.open`; the constructor takes an engine whose database is already migrated.
    """

    def __init__(self, engine: Engine) -> None:
        """Share one pool between readers and writers."""
        super().__init__(engine)
        self.sweeps = SweepStore(engine)
        self.studies = StudyStore(engine)
        self.keys = KeyStore(engine)
        self.lists = ListStore(engine)
        self.edits = EditStore(engine)
        self.curves = CurveStore(engine)
        self.artifacts = ArtifactStore(engine)
        self.forks = ForkStore(engine)
        self.dispatchers = DispatcherStore(engine)

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

    @classmethod
    def connect(cls, url: str) -> Store:
        """Connect to a database that another process has already opened, and thereby upgraded. Raises DatabaseError."""
        return cls(open_engine(url))

    @property
    def url(self) -> str:
        """Where the database is, with the password: for a process that is to connect to it too."""
        return self._engine.url.render_as_string(hide_password=False)

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    def submit(
        self,
        spec: ExperimentSpec,
        tags: Sequence[str] = (),
        *,
        submitted_by: str | None = None,
        retry: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
    ) -> ExperimentRecord:
        """Queue an experiment; it is committed when this returns.

        Args:
            spec: The experiment.
            tags: Labels.
            submitted_by: The id of the API key it came with.
            retry: See `RetryPolicy`; None: as the service is set.
            resources: Those of CPUs, GPUs and memory that are declared; the others are estimated.
        """
        more: dict[str, Any] = {"submitted_by": submitted_by, "retry": retry, "resources": resources}
        with self._writing() as session:
            return queue_experiment(session, spec, tags, **more).to_record()

    def submit_once(
        self,
        spec: ExperimentSpec,
        tags: Sequence[str] = (),
        *,
        key: str,
        submitted_by: str | None = None,
        retry: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
    ) -> tuple[ExperimentRecord, bool]:
        """Queue an experiment, or find the one that was submitted under this key; the second says whether it is new.

        Raises:
            ConflictError: The key was used for a submission with another spec, other tags, retries or resources.
        """
        with self._writing() as session:
            more: dict[str, Any] = {"submitted_by": submitted_by, "retry": retry, "resources": resources}
            row, is_new = queue_once(session, spec, tags, key=key, **more)
            return row.to_record(), is_new

    def retry(self, id: str, *, key: str | None = None, submitted_by: str | None = None) -> tuple[ExperimentRecord, bool]:
        """Queue an ended experiment's spec and tags again, as a new experiment; the second says whether it is new.

        Args:
            id: The ended experiment.
            key: Asking again under the same key finds the experiment made at the first time.
            submitted_by: The id of the API key it is asked for with, if it is with one.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has not ended, or the key was used for another submission.
            SpecError: Its spec, from an earlier version, is not valid any more.
        """
        with self._writing() as session:
            ended = find(session, id)
            require_ended(ended, "retried", hint="it will be queued again by itself where the infrastructure fails it")
            spec, tags = parse_spec(ended.spec), [tag.tag for tag in ended.tags]
            policy: dict[str, Any] = {"retry": ended.retry, "resources": declared(ended.resources) or None}
            if key is None:
                row = queue_experiment(session, spec, tags, retried_from=id, submitted_by=submitted_by, **policy)
                return row.to_record(), True
            row, is_new = queue_once(session, spec, tags, key=key, retried_from=id, submitted_by=submitted_by, **policy)
            return row.to_record(), is_new

    def delete(self, id: str) -> None:
        """Remove an ended experiment with its attempts, events and points.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It, or the sweep it is a trial of, has not ended.
        """
        with self._writing() as session:
            row = find(session, id, lock=True)
            require_ended(row, "deleted", hint="cancel it first")
            require_ended_sweep(session, row)
            session.execute(delete(ExperimentRow).where(ExperimentRow.number == row.number))

    def get(self, id: str) -> ExperimentRecord:
        """One experiment. Raises NotFoundError."""
        with self._reading() as session:
            return find(session, id).to_record()

    def list(self, *, limit: int, states: Sequence[State] = ()) -> builtins.list[ExperimentRecord]:
        """Up to `limit` experiments in full, newest first: of these states, or all. `ListStore` has lists for people."""
        with self._reading() as session:
            numbers, _ = page_of(session, Filters(states=tuple(states)), Order(), None, limit=limit)
            rows = session.scalars(select(ExperimentRow).where(ExperimentRow.number.in_(numbers)))
            return [row.to_record() for row in sorted(rows, key=lambda row: -row.number)]

    def count(self) -> dict[State, int]:
        """How many experiments are in each state; states without any are there with 0."""
        statement = select(ExperimentRow.state, func.count()).group_by(ExperimentRow.state)
        with self._reading() as session:
            return dict.fromkeys(State, 0) | {State(state): count for state, count in session.execute(statement)}

    def activity(self) -> tuple[int, datetime | None]:
        """How many rounds the running experiments have finished, and when the oldest queued one was submitted, if any is."""
        rounds = select(func.sum(ExperimentRow.round)).where(ExperimentRow.state == State.RUNNING)
        oldest = select(ExperimentRow.created_at).where(ExperimentRow.state == State.QUEUED).order_by(ExperimentRow.number)
        with self._reading() as session:
            return session.scalar(rounds) or 0, session.scalar(oldest.limit(1))

    def position(self, id: str) -> tuple[State, int]:
        """The state and the number of the newest event: one short look, for followers. Raises NotFoundError."""
        statement = select(ExperimentRow.state, ExperimentRow.events).where(ExperimentRow.id == id)
        with self._reading() as session:
            found = session.execute(statement).one_or_none()
        if found is None:
            raise unknown(id)
        return State(found[0]), found[1]

    def connections(self) -> tuple[int, int]:
        """Connections to the database of this process: those in use, and those idle in the pool."""
        pool = self._engine.pool
        return (pool.checkedout(), pool.checkedin()) if isinstance(pool, QueuePool) else (0, 0)

    def attempts(self, id: str) -> builtins.list[AttemptRecord]:
        """The attempts at an experiment, oldest first. Raises NotFoundError."""
        with self._reading() as session:
            number = find(session, id).number
            statement = select(AttemptRow).where(AttemptRow.experiment == number).order_by(AttemptRow.number)
            return [attempt.to_record(id) for attempt in session.scalars(statement)]

    def series(self, id: str) -> dict[str, dict[str, Any]]:
        """Every series: name -> {"rounds": [...], "values": [...]}, in order of rounds. Raises NotFoundError."""
        found: dict[str, dict[str, Any]] = {}
        with self._reading() as session:
            number = find(session, id).number
            statement = select(PointRow.series, PointRow.round, PointRow.value).where(PointRow.experiment == number)
            for name, round, value in session.execute(statement.order_by(PointRow.series, PointRow.round)):
                curve = found.setdefault(name, {"rounds": [], "values": []})
                curve["rounds"].append(round)
                curve["values"].append(value)
        return found

    def events(self, id: str, *, after: int, limit: int) -> builtins.list[EventRecord]:
        """Up to `limit` events with a number above `after`, in order. Raises NotFoundError."""
        with self._reading() as session:
            number = find(session, id).number
            statement = select(EventRow).where(EventRow.experiment == number, EventRow.id > after)
            return [row.to_record() for row in session.scalars(statement.order_by(EventRow.id).limit(limit))]

    def events_of_kind(self, id: str, kind: str) -> builtins.list[EventRecord]:
        """All of its events of a kind that there are few of, such as diagnoses, in order. Raises NotFoundError."""
        with self._reading() as session:
            mine = (EventRow.experiment == find(session, id).number, EventRow.kind == kind)
            return [row.to_record() for row in session.scalars(select(EventRow).where(*mine).order_by(EventRow.id))]

    def request_cancel(self, id: str) -> ExperimentRecord:
        """Cancel: at once where it is queued, else ask the dispatcher to; asking twice is no error.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has ended.
        """
        return self._request_end(id, "cancelled", reason="cancel_requested")

    def request_kill(self, id: str) -> ExperimentRecord:
        """Kill: at once where it is queued, else have the dispatcher end its processes; a cancel under way is overtaken.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has ended.
        """
        return self._request_end(id, "killed", reason=KILL_REQUESTED)

    def _request_end(self, id: str, done: str, *, reason: str) -> ExperimentRecord:
        message = f"{done} on request"
        with self._writing() as session:
            row = find(session, id, lock=True)
            if State(row.state) in TERMINAL:
                raise ConflictError(f"experiment {id} has ended: it is {row.state} and cannot be {done}")
            if row.state != State.CANCELLING:
                target = State.CANCELLED if row.state == State.QUEUED else State.CANCELLING
                change_state(session, row, target, now(session), reason=reason, message=message)
            elif reason == KILL_REQUESTED:
                row.reason, row.message, row.updated_at = reason, message, now(session)
            return row.to_record()
