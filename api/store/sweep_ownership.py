"""`SweepOwnership`: what the owner of a sweep asks and writes: its lease, its trials and what they came to.

Whoever holds the newest fencing token owns it. One transaction per method.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Float, cast, func, select

from api.domain.states import LIVE, TERMINAL, State
from api.domain.sweeps import SweepRecord, TrialRecord
from api.store.database import Database
from api.store.engine import now
from api.store.history import change_state
from api.store.objectives import read_values, reported
from api.store.submission import queue_experiment
from api.store.sweep_rows import add_proposals, change_sweep, fenced_sweep, find_sweep, lend_sweep, let_go_of_sweep
from api.store.sweep_table import SweepRow
from api.store.sweep_trials import experiments_of, read_scores, read_trials
from api.store.tables import ExperimentRow
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.sweep import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the trials of a sweep cost together, in the terms of its `Budget`."""

    trials: int
    rounds: int
    bytes: int
    wall_s: float


class SweepOwnership(Database):
    """For one owner per sweep. Thread safe."""

    def claim(self, *, owner: str, lease_s: float) -> SweepRecord | None:
        """Take the oldest queued sweep that is not paused; None where there is none."""
        waits = (SweepRow.state == State.QUEUED, SweepRow.paused_at.is_(None))
        oldest = select(SweepRow).where(*waits).order_by(SweepRow.number).limit(1)
        with self._reading() as session:
            if session.scalar(oldest.with_only_columns(SweepRow.number)) is None:
                return None
        with self._writing() as session:
            row = session.scalar(oldest.with_for_update(skip_locked=True))
            if row is None:
                return None
            change_sweep(session, row, State.STARTING)
            lend_sweep(session, row, owner, lease_s)
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
            row = fenced_sweep(session, id, token)
            lend_sweep(session, row, owner, lease_s)
            return row.to_record()

    def renew(self, id: str, token: int, *, lease_s: float) -> SweepRecord:
        """Hold the sweep for another `lease_s`; tells where it stands now. Raises StaleAttemptError."""
        with self._writing() as session:
            row = fenced_sweep(session, id, token)
            row.lease_expires_at = now(session) + timedelta(seconds=lease_s)
            return row.to_record()

    def running(self, id: str, token: int, *, owner_pid: int, proposals: Sequence[Mapping[str, JsonValue]]) -> None:
        """Its owner works on it. Proposals that were recorded earlier stay; more are added. Raises StaleAttemptError."""
        with self._writing() as session:
            row = fenced_sweep(session, id, token)
            row.owner_pid = owner_pid
            add_proposals(row, proposals, after=0)
            if row.state == State.STARTING:
                change_sweep(session, row, State.RUNNING)

    def propose(self, id: str, token: int, proposals: Sequence[Mapping[str, JsonValue]], *, after: int) -> None:
        """Record more trials, the first of them number `after` + 1; those that are there stay. Raises StaleAttemptError."""
        with self._writing() as session:
            add_proposals(fenced_sweep(session, id, token), proposals, after=after)

    def proposals(self, id: str) -> builtins.list[dict[str, JsonValue]] | None:
        """The overrides of every trial, in order; None before they are proposed. Raises NotFoundError."""
        with self._reading() as session:
            return find_sweep(session, id).proposals

    def submit_trial(self, id: str, token: int, number: int, spec: ExperimentSpec) -> str:
        """Queue the experiment of a trial, once: where there is one already, its id is returned.

        Raises StaleAttemptError.
        """
        with self._writing() as session:
            sweep = fenced_sweep(session, id, token)
            same = (ExperimentRow.sweep_id == id, ExperimentRow.trial == number)
            known = session.scalar(select(ExperimentRow.id).where(*same))
            if known is not None:
                return known
            row = queue_experiment(session, spec, [f"sweep-{id}"], submitted_by=sweep.submitted_by)
            row.sweep_id, row.trial = id, number
            return row.id

    def stop_trials(self, id: str, token: int, numbers: Sequence[int] | None, *, reason: str, message: str) -> None:
        """Ask for the end of the trials with these numbers, or of all, that have not ended. Raises StaleAttemptError."""
        with self._writing() as session:
            fenced_sweep(session, id, token)
            for row in session.scalars(experiments_of(id).where(ExperimentRow.state.not_in(TERMINAL)).with_for_update()):
                if (numbers is None or row.trial in numbers) and row.state not in (State.CANCELLING, State.INTERRUPTED):
                    target = State.CANCELLED if row.state == State.QUEUED else State.CANCELLING
                    change_state(session, row, target, now(session), reason=reason, message=message)

    def scores(
        self, id: str, after: Mapping[int, int], *, series: str | None = None
    ) -> dict[int, tuple[builtins.list[tuple[int, float | None]], bool]]:
        """See `read_scores`."""
        with self._reading() as session:
            return read_scores(session, id, after, series)

    def settle(self, id: str, token: int, numbers: Sequence[int], objectives: Sequence[Objective]) -> dict[int, TrialRecord]:
        """Write down what these ended trials came to, once; they as they then are. Raises StaleAttemptError."""
        with self._writing() as session:
            sweep = fenced_sweep(session, id, token)
            for row in session.scalars(experiments_of(id).where(ExperimentRow.trial.in_(numbers))):
                if row.objectives is None and State(row.state) in TERMINAL:
                    row.objectives = read_values(session, row.number, row.result, objectives)
            session.flush()
            trials = read_trials(session, id, sweep.proposals or [], without_experiment=State.QUEUED, numbers=numbers)
            return {trial.number: trial for trial in trials}

    def prior(
        self, ids: Sequence[str], objectives: Sequence[Objective]
    ) -> builtins.list[tuple[dict[str, Any], tuple[float, ...]]]:
        """What the trials of these sweeps overrode, and what they came to by other objectives; only those that succeeded."""
        found = []
        with self._reading() as session:
            for id in ids:
                proposals = find_sweep(session, id).proposals or []
                for row in session.scalars(experiments_of(id).where(ExperimentRow.state == State.SUCCEEDED)):
                    read = read_values(session, row.number, row.result, objectives)
                    values = tuple(value for value in read if value is not None)
                    if len(values) == len(objectives) and row.trial is not None:
                        found.append((proposals[row.trial - 1], values))
        return found

    def spent(self, id: str) -> Spent:
        """What its trials have cost so far; bytes and seconds of those that have ended."""
        result, costs = ExperimentRow.result, ExperimentRow.result["costs"]
        sent = cast(costs["bytes_up"].as_string(), Float) + cast(costs["bytes_down"].as_string(), Float)
        columns = (
            func.count(),
            func.coalesce(func.sum(ExperimentRow.round), 0),
            func.coalesce(func.sum(sent), 0),
            func.coalesce(func.sum(cast(result["wall_seconds"].as_string(), Float)), 0.0),
        )
        with self._reading() as session:
            trials, rounds, bytes, wall_s = session.execute(
                select(*columns).where(ExperimentRow.sweep_id == id).where(ExperimentRow.trial.is_not(None))
            ).one()
        return Spent(trials=trials, rounds=int(rounds), bytes=int(bytes), wall_s=float(wall_s))

    def reported(self, id: str) -> builtins.list[str]:
        """The names that an objective could have, from the first trial that succeeded; none where none did."""
        with self._reading() as session:
            row = session.scalar(experiments_of(id).where(ExperimentRow.state == State.SUCCEEDED).limit(1))
            return [] if row is None else reported(session, row.number, row.result)

    def park(self, id: str, token: int) -> None:
        """Let go of a paused sweep: it waits in the queue until it is resumed. Raises StaleAttemptError."""
        with self._writing() as session:
            row = fenced_sweep(session, id, token)
            change_sweep(session, row, State.QUEUED, reason="paused", message="paused on request")
            let_go_of_sweep(row)

    def finish(self, id: str, token: int, *, state: State, reason: str | None, message: str | None) -> None:
        """End the sweep as SUCCEEDED, FAILED or CANCELLED. Raises StaleAttemptError, and ConflictError for a wrong state."""
        with self._writing() as session:
            change_sweep(session, fenced_sweep(session, id, token), state, reason=reason, message=message)
