"""`SweepStore`: sweeps, who owns them, and their trials. The same habits as `Store`: one transaction per method."""

from __future__ import annotations

import builtins
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.domain.states import LIVE, TERMINAL, TRANSITIONS, State
from api.domain.sweeps import SweepRecord, TrialRecord
from api.store.database import Database
from api.store.engine import now
from api.store.history import change_state
from api.store.submission import queue_experiment
from api.store.sweep_table import SweepRow
from api.store.sweep_trials import experiments_of, read_scores, read_trials
from api.store.tables import ExperimentRow
from heron_ray.errors import ConflictError, NotFoundError, StaleAttemptError
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.space import SweepSpec


class SweepStore(Database):
    """The record of all sweeps. `Store.sweeps` is one over the same database."""

    def submit(self, base: Mapping[str, Any], sweep: SweepSpec, *, name: str) -> SweepRecord:
        """Queue a sweep over an experiment in plain values; it is committed when this returns."""
        with self._writing() as session:
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
            )
            session.add(row)
            session.flush()
            return row.to_record()

    def get(self, id: str) -> SweepRecord:
        """One sweep. Raises NotFoundError."""
        with self._reading() as session:
            return _find(session, id).to_record()

    def list(self, *, limit: int, before: str | None = None) -> builtins.list[SweepRecord]:
        """Up to `limit` sweeps, newest first, older than the sweep `before`. Raises NotFoundError for `before`."""
        statement = select(SweepRow).order_by(SweepRow.number.desc()).limit(limit)
        with self._reading() as session:
            if before is not None:
                statement = statement.where(SweepRow.number < _find(session, before).number)
            return [row.to_record() for row in session.scalars(statement)]

    def trials(self, id: str) -> builtins.list[TrialRecord]:
        """Every trial that was proposed, in order. Raises NotFoundError."""
        with self._reading() as session:
            row = _find(session, id)
            missing = State.CANCELLED if State(row.state) in TERMINAL else State.QUEUED
            return read_trials(session, id, row.proposals or [], without_experiment=missing)

    def request_cancel(self, id: str) -> SweepRecord:
        """Cancel: at once where it is queued, else ask its owner to; asking twice is no error.

        Raises:
            NotFoundError: No such sweep.
            ConflictError: It has ended.
        """
        with self._writing() as session:
            row = _find(session, id, lock=True)
            if State(row.state) in TERMINAL:
                raise ConflictError(f"sweep {id} has ended: it is {row.state} and cannot be cancelled")
            if row.state != State.CANCELLING:
                target = State.CANCELLED if row.state == State.QUEUED else State.CANCELLING
                _change(session, row, target, reason="cancel_requested", message="cancelled on request")
            return row.to_record()

    def claim(self, *, owner: str, lease_s: float) -> SweepRecord | None:
        """Take the oldest queued sweep; None where nothing is queued."""
        oldest = select(SweepRow).where(SweepRow.state == State.QUEUED).order_by(SweepRow.number).limit(1)
        with self._reading() as session:
            if session.scalar(oldest.with_only_columns(SweepRow.number)) is None:
                return None
        with self._writing() as session:
            row = session.scalar(oldest.with_for_update(skip_locked=True))
            if row is None:
                return None
            _change(session, row, State.STARTING)
            _lend(session, row, owner, lease_s)
            return row.to_record()

    def live(self) -> builtins.list[SweepRecord]:
        """Every sweep that somebody owns, or owned and left behind, oldest first."""
        statement = select(SweepRow).where(SweepRow.state.in_(LIVE)).order_by(SweepRow.number)
        with self._reading() as session:
            return [row.to_record() for row in session.scalars(statement)]

    def lapsed(self) -> frozenset[str]:
        """The ids of the living sweeps whose lease has run out, by the database's clock."""
        with self._reading() as session:
            has_lapsed = SweepRow.lease_expires_at.is_(None) | (SweepRow.lease_expires_at < now(session))
            return frozenset(session.scalars(select(SweepRow.id).where(SweepRow.state.in_(LIVE), has_lapsed)))

    def adopt(self, id: str, token: int, *, owner: str, lease_s: float) -> SweepRecord:
        """Take a sweep over from whoever held `token`, which is stale from now on. Raises StaleAttemptError."""
        with self._writing() as session:
            row = _fenced(session, id, token)
            _lend(session, row, owner, lease_s)
            return row.to_record()

    def renew(self, id: str, token: int, *, lease_s: float) -> SweepRecord:
        """Hold the sweep for another `lease_s`; tells where it stands now. Raises StaleAttemptError."""
        with self._writing() as session:
            row = _fenced(session, id, token)
            row.lease_expires_at = now(session) + timedelta(seconds=lease_s)
            return row.to_record()

    def running(self, id: str, token: int, *, owner_pid: int, proposals: Sequence[Mapping[str, JsonValue]]) -> None:
        """Its owner works on it. Proposals that were recorded earlier stay as they are. Raises StaleAttemptError."""
        with self._writing() as session:
            row = _fenced(session, id, token)
            row.owner_pid = owner_pid
            if row.proposals is None:
                row.proposals = [dict(trial) for trial in proposals]
            if row.state == State.STARTING:
                _change(session, row, State.RUNNING)

    def proposals(self, id: str) -> builtins.list[dict[str, JsonValue]] | None:
        """The overrides of every trial, in order; None before they are proposed. Raises NotFoundError."""
        with self._reading() as session:
            return _find(session, id).proposals

    def submit_trial(self, id: str, token: int, number: int, spec: ExperimentSpec) -> str:
        """Queue the experiment of a trial, once: where there is one already, its id is returned.

        Raises StaleAttemptError.
        """
        with self._writing() as session:
            _fenced(session, id, token)
            same = (ExperimentRow.sweep_id == id, ExperimentRow.trial == number)
            known = session.scalar(select(ExperimentRow.id).where(*same))
            if known is not None:
                return known
            row = queue_experiment(session, spec, [f"sweep-{id}"])
            row.sweep_id, row.trial = id, number
            return row.id

    def stop_trials(self, id: str, token: int, numbers: Sequence[int] | None, *, reason: str, message: str) -> None:
        """Ask for the end of the trials with these numbers, or of all, that have not ended. Raises StaleAttemptError."""
        with self._writing() as session:
            _fenced(session, id, token)
            for row in session.scalars(experiments_of(id).where(ExperimentRow.state.not_in(TERMINAL)).with_for_update()):
                if (numbers is None or row.trial in numbers) and row.state not in (State.CANCELLING, State.INTERRUPTED):
                    target = State.CANCELLED if row.state == State.QUEUED else State.CANCELLING
                    change_state(session, row, target, now(session), reason=reason, message=message)

    def scores(self, id: str, after: Mapping[int, int]) -> dict[int, tuple[builtins.list[tuple[int, float]], bool]]:
        """See `read_scores`."""
        with self._reading() as session:
            return read_scores(session, id, after)

    def finish(self, id: str, token: int, *, state: State, reason: str | None, message: str | None) -> None:
        """End the sweep as SUCCEEDED, FAILED or CANCELLED. Raises StaleAttemptError, and ConflictError for a wrong state."""
        with self._writing() as session:
            _change(session, _fenced(session, id, token), state, reason=reason, message=message)


def require_ended_sweep(session: Session, row: ExperimentRow) -> None:
    """Raise ConflictError where an experiment is a trial of a sweep that still counts on it."""
    state = session.scalar(select(SweepRow.state).where(SweepRow.id == row.sweep_id)) if row.sweep_id else None
    if state is not None and State(state) not in TERMINAL:
        raise ConflictError(
            f"experiment {row.id} is a trial of sweep {row.sweep_id}, which is {state}", hint="cancel the sweep"
        )


def _find(session: Session, id: str, *, lock: bool = False) -> SweepRow:
    statement = select(SweepRow).where(SweepRow.id == id)
    row = session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise NotFoundError(f"there is no sweep {id!r}", hint="GET /v1/sweeps lists them")
    return row


def _fenced(session: Session, id: str, token: int) -> SweepRow:
    """The sweep, locked, for the holder of the current token only."""
    row = _find(session, id, lock=True)
    if row.token != token or State(row.state) in TERMINAL:
        raise StaleAttemptError(f"sweep {id} {'has ended' if row.token == token else f'has another owner now: {row.owner}'}")
    return row


def _lend(session: Session, row: SweepRow, owner: str, lease_s: float) -> None:
    row.token += 1
    row.owner, row.owner_pid = owner, None
    row.lease_expires_at = now(session) + timedelta(seconds=lease_s)


def _change(session: Session, row: SweepRow, state: State, *, reason: str | None = None, message: str | None = None) -> None:
    if state not in TRANSITIONS[State(row.state)]:
        raise ConflictError(f"a sweep that is {row.state} cannot become {state}")
    row.state, row.reason, row.message = state, reason, message
    row.updated_at = now(session)
