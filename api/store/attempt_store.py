"""`AttemptStore`: what the dispatcher asks and changes, under an attempt's lease and fencing token."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from api.domain.records import AttemptRecord, ExperimentRecord
from api.domain.retry import RetryPolicy
from api.domain.states import LIVE, TERMINAL, State
from api.store import attempts
from api.store.database import Database
from api.store.engine import now
from api.store.history import append_events, change_state, plain
from api.store.tables import AttemptRow, ExperimentRow
from heron_ray.errors import ConflictError


class AttemptStore(Database):
    """The half of the store that runs experiments."""

    def claim(
        self, *, owner: str, lease_s: float, id: str | None = None, resources: Mapping[str, Any] | None = None
    ) -> tuple[ExperimentRecord, AttemptRecord] | None:
        """Take a queued experiment and start an attempt at it.

        Args:
            owner: Who takes it.
            lease_s: For how long, unless the lease is renewed.
            id: This one; None: the oldest.
            resources: What it is let in with; None leaves what was declared.

        Returns:
            None where nothing is queued, `id` is not, or another is taking it at this moment.
        """
        oldest = select(ExperimentRow).where(ExperimentRow.state == State.QUEUED).order_by(ExperimentRow.number).limit(1)
        if id is not None:
            oldest = oldest.where(ExperimentRow.id == id)
        with self._reading() as session:
            # Looking first keeps an idle dispatcher from taking the writer's lock at every look.
            if session.scalar(oldest.with_only_columns(ExperimentRow.number)) is None:
                return None
        with self._writing() as session:
            row = session.scalar(oldest.with_for_update(skip_locked=True))
            if row is None:
                return None
            if resources is not None:
                row.resources = dict(resources)
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
            if state == State.CANCELLED and reason is None:
                # Why its end was asked for says more than that it came.
                reason, message = row.reason, row.message
            if result is not None:
                row.end_with(plain(result))
            change_state(session, row, state, at, reason=reason, message=message)

    def interrupt(self, attempt_id: int, token: int, *, reason: str, message: str, max_attempts: int) -> ExperimentRecord:
        """Give an attempt up: queue the experiment again, or end it.

        It ends CANCELLED where a cancel or a kill was under way, and FAILED `retries_exhausted` where its retry policy allows
        no other attempt; `max_attempts` holds where the policy names no number. Raises StaleAttemptError.
        """
        with self._writing() as session:
            row, attempt = attempts.fenced(session, attempt_id, token)
            at = now(session)
            attempts.end(attempt, at, reason)
            if row.state == State.CANCELLING:
                # Why its end was asked for says more than how it came.
                change_state(session, row, State.CANCELLED, at, reason=row.reason, message=row.message)
                return row.to_record()
            change_state(session, row, State.INTERRUPTED, at, reason=reason, message=message)
            policy = RetryPolicy.of(row.retry, max_attempts=max_attempts)
            refusal = policy.refusal(reason, message, attempts=attempts.counted(session, row))
            if refusal is None:
                change_state(session, row, State.QUEUED, at, reason=reason, message=message)
            else:
                change_state(session, row, State.FAILED, at, reason="retries_exhausted", message=refusal)
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

    def lapsed_attempts(self) -> frozenset[int]:
        """The ids of the living attempts whose lease has run out, by the database's clock."""
        with self._reading() as session:
            has_lapsed = (AttemptRow.ended_at.is_(None), AttemptRow.lease_expires_at < now(session))
            statement = (
                select(AttemptRow.id)
                .join(ExperimentRow, AttemptRow.experiment == ExperimentRow.number)
                .where(*has_lapsed, ExperimentRow.state.in_(LIVE))
            )
            return frozenset(session.scalars(statement))

    def require_held(self, attempt_id: int, token: int) -> None:
        """Raise StaleAttemptError where an attempt has ended or has another owner: for a holder with nothing to write."""
        with self._reading() as session:
            attempts.require_held(session, attempt_id, token)

    def adopt(self, attempt_id: int, *, owner: str, lease_s: float) -> AttemptRecord:
        """Take over a living attempt under a new token; the old one is stale from now on. Raises StaleAttemptError."""
        with self._writing() as session:
            row, attempt = attempts.lock(session, attempt_id)
            attempt.token += 1
            attempt.owner = owner
            attempt.lease_expires_at = now(session) + timedelta(seconds=lease_s)
            return attempt.to_record(row.id)
