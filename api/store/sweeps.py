"""`SweepStore`: sweeps as people submit, look at and change them. The same habits as `Store`: one transaction per method."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from api.domain.states import TERMINAL, State
from api.domain.sweeps import SweepRecord, TrialRecord
from api.store.engine import now
from api.store.once import once
from api.store.submission import queue_experiment
from api.store.sweep_ownership import SweepOwnership
from api.store.sweep_rows import change_sweep, find_sweep, queue_sweep, requeue_sweep
from api.store.sweep_table import SweepRow
from api.store.sweep_trials import experiments_of, read_trials
from api.store.tables import ExperimentRow
from heron_ray.errors import ConflictError, SpecError, SpecIssue
from heron_ray.spec import parse_spec
from heron_ray.spec.sweep import SweepSpec

MOST_SAMPLES = 10_000


class SweepStore(SweepOwnership):
    """The record of all sweeps. `Store.sweeps` is one over the same database."""

    def submit(self, base: Mapping[str, Any], sweep: SweepSpec, *, name: str, submitted_by: str | None = None) -> SweepRecord:
        """Queue a sweep over an experiment in plain values; it is committed when this returns."""
        with self._writing() as session:
            return queue_sweep(session, base, sweep, name=name, submitted_by=submitted_by, key=None).to_record()

    def submit_once(
        self, base: Mapping[str, Any], sweep: SweepSpec, *, name: str, key: str, submitted_by: str | None = None
    ) -> tuple[SweepRecord, bool]:
        """Queue a sweep, or find the one that was submitted under this key; the second says whether it is new.

        Raises:
            ConflictError: The key was used for another sweep.
        """
        asked = (dict(base), sweep.model_dump(mode="json"))
        with self._writing() as session:
            row, is_new = once(
                session,
                SweepRow,
                key,
                lambda: queue_sweep(session, base, sweep, name=name, submitted_by=submitted_by, key=key),
                # It may have been extended since.
                is_same=lambda row: (row.base, {**row.sweep, "samples": row.samples}) == asked,
            )
            return row.to_record(), is_new

    def get(self, id: str) -> SweepRecord:
        """One sweep. Raises NotFoundError."""
        with self._reading() as session:
            return find_sweep(session, id).to_record()

    def list(self, *, limit: int, before: str | None = None) -> builtins.list[SweepRecord]:
        """Up to `limit` sweeps, newest first, older than the sweep `before`. Raises NotFoundError for `before`."""
        statement = select(SweepRow).order_by(SweepRow.number.desc()).limit(limit)
        with self._reading() as session:
            if before is not None:
                statement = statement.where(SweepRow.number < find_sweep(session, before).number)
            return [row.to_record() for row in session.scalars(statement)]

    def trials(self, id: str) -> builtins.list[TrialRecord]:
        """Every trial that was proposed, in order. Raises NotFoundError."""
        with self._reading() as session:
            row = find_sweep(session, id)
            missing = State.CANCELLED if State(row.state) in TERMINAL else State.QUEUED
            return read_trials(session, id, row.proposals or [], without_experiment=missing)

    def request_cancel(self, id: str) -> SweepRecord:
        """Cancel: at once where it is queued, else ask its owner to; asking twice is no error.

        Raises:
            NotFoundError: No such sweep.
            ConflictError: It has ended.
        """
        with self._writing() as session:
            row = find_sweep(session, id, lock=True)
            if State(row.state) in TERMINAL:
                raise ConflictError(f"sweep {id} has ended: it is {row.state} and cannot be cancelled")
            if row.state != State.CANCELLING:
                target = State.CANCELLED if row.state == State.QUEUED else State.CANCELLING
                change_sweep(session, row, target, reason="cancel_requested", message="cancelled on request")
                if target == State.CANCELLED:
                    row.paused_at = None
            return row.to_record()

    def pause(self, id: str) -> SweepRecord:
        """Let no more trials begin; those under way go to their ends. Asking twice is no error.

        Raises:
            NotFoundError: No such sweep.
            ConflictError: It has ended, or is being cancelled.
        """
        with self._writing() as session:
            row = find_sweep(session, id, lock=True)
            if State(row.state) in TERMINAL or row.state == State.CANCELLING:
                raise ConflictError(f"sweep {id} is {row.state} and cannot be paused")
            row.paused_at = row.paused_at or now(session)
            row.updated_at = now(session)
            return row.to_record()

    def resume(self, id: str) -> SweepRecord:
        """Let trials of a paused sweep begin again. Asking twice is no error.

        Raises:
            NotFoundError: No such sweep.
            ConflictError: It has ended.
        """
        with self._writing() as session:
            row = find_sweep(session, id, lock=True)
            if State(row.state) in TERMINAL:
                raise ConflictError(f"sweep {id} has ended: it is {row.state} and cannot be resumed", hint="extend or retry it")
            row.paused_at = None
            row.updated_at = now(session)
            if row.state == State.QUEUED:
                row.reason = row.message = None
            return row.to_record()

    def extend(self, id: str, samples: int) -> SweepRecord:
        """Have `samples` more points tried, also by a sweep that has ended, which is queued again.

        Raises:
            NotFoundError: No such sweep.
            ConflictError: It is being cancelled, or is a grid.
            SpecError: It would have more points than a sweep may have.
        """
        with self._writing() as session:
            row = find_sweep(session, id, lock=True)
            if row.state == State.CANCELLING:
                raise ConflictError(f"sweep {id} is being cancelled", hint="wait for its end")
            if row.sweep["search"] == "grid":
                raise ConflictError("a grid with more points has other points", hint="submit a new sweep")
            total = row.sweep["samples"] + samples
            if total > MOST_SAMPLES:
                message = f"{row.sweep['samples']} points and {samples} more are above {MOST_SAMPLES}"
                raise SpecError([SpecIssue(path="samples", message=message)])
            row.sweep = {**row.sweep, "samples": total}
            row.updated_at = now(session)
            if State(row.state) in TERMINAL:
                requeue_sweep(session, row)
            return row.to_record()

    def retry(self, id: str, *, submitted_by: str | None = None) -> builtins.list[str]:
        """Queue the failed trials of a sweep that has ended or waits again, as new experiments with `retried_from`.

        Returns:
            The ids of the new experiments.

        Raises:
            NotFoundError: No such sweep.
            ConflictError: It is running, or no trial of it has failed.
        """
        with self._writing() as session:
            row = find_sweep(session, id, lock=True)
            if State(row.state) not in TERMINAL and row.state != State.QUEUED:
                raise ConflictError(f"sweep {id} is {row.state}", hint="pause it, or wait for its end")
            failed = session.scalars(experiments_of(id).where(ExperimentRow.state == State.FAILED).with_for_update()).all()
            if not failed:
                raise ConflictError(f"no trial of sweep {id} has failed")
            made = []
            for old in failed:
                number, old.trial = old.trial, None
                session.flush()
                tags = [tag.tag for tag in old.tags]
                new = queue_experiment(session, parse_spec(old.spec), tags, retried_from=old.id, submitted_by=submitted_by)
                new.sweep_id, new.trial = id, number
                made.append(new.id)
            if State(row.state) in TERMINAL:
                requeue_sweep(session, row)
            return made
