"""What the store hands out about sweeps. A sweep passes through the states of an experiment; its trials are experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.domain.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """One sweep: what it varies, and where it stands.

    Attributes:
        base: The experiment it varies, as it was submitted: plain values, complete only with the space's.
        sweep: The canonical form of its `SweepSpec`.
        trials: Trials it will have in all; None before they are proposed.
        token: The fencing token; only the holder of the newest one may write.
        owner: The dispatcher that holds the lease, None while it is queued.
        owner_pid: The process in which Ray Tune runs.
    """

    id: str
    name: str
    base: dict[str, Any]
    sweep: dict[str, Any]
    state: State
    reason: str | None
    message: str | None
    trials: int | None
    token: int
    owner: str | None
    owner_pid: int | None
    lease_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One trial of a sweep.

    Attributes:
        number: 1, 2, 3, ... in the order in which they were proposed.
        overrides: The value of every axis, by dotted path.
        experiment_id: None before it is submitted; it counts as QUEUED until then.
        validation_accuracy: The newest one, or the final one once it has ended; decides what is best.
        test_accuracy: The newest or final one, for reporting only.
    """

    number: int
    overrides: dict[str, Any]
    experiment_id: str | None = None
    state: State = State.QUEUED
    reason: str | None = None
    round: int = 0
    rounds: int | None = None
    validation_accuracy: float | None = None
    test_accuracy: float | None = None


def best_trial(trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The trial that came to its end with the highest validation accuracy; the earlier of two that are equal."""
    ended = [trial for trial in trials if trial.state == State.SUCCEEDED and trial.validation_accuracy is not None]
    return max(ended, key=lambda trial: (trial.validation_accuracy or 0.0, -trial.number), default=None)
