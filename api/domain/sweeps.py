"""What the store hands out about sweeps, and which of a sweep's points are best. Its trials are experiments."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from api.domain.states import TERMINAL, TRANSITIONS, State
from heron_ray.spec.sweep import Objective

# As an experiment's, but that a sweep which has ended, or is put aside, may be queued again: to be extended or retried.
SWEEP_TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        state: following | {State.QUEUED} if state in TERMINAL or state in (State.STARTING, State.RUNNING) else following
        for state, following in TRANSITIONS.items()
    }
)

SEED = "seed"
"""The path that tells the trials of a point apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """One sweep: what it varies, and where it stands.

    Attributes:
        base: The experiment it varies, as it was submitted: plain values, complete only with the space's.
        sweep: The canonical form of its `SweepSpec`.
        trials: Trials proposed so far; None before any are.
        token: The fencing token; only the holder of the newest one may write.
        owner: The dispatcher that holds the lease, None while it is queued.
        owner_pid: The process in which Ray Tune runs.
        paused_at: Since when no trial begins; None: they do.
        submitted_by: The id of the API key it came with; None: from this machine, without a key.
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
    paused_at: datetime | None
    submitted_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One trial of a sweep.

    Attributes:
        number: 1, 2, 3, ... in the order in which they were proposed.
        overrides: The value of every axis that it has, by dotted path, and its seed where its point has several.
        experiment_id: None before it is submitted; it counts as QUEUED until then.
        validation_accuracy: The newest one, or the final one once it has ended.
        test_accuracy: The newest or final one, for reporting only.
        values: What it came to, one per objective; None before it has ended. A value is None where it does not report it.
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
    values: tuple[float | None, ...] | None = None

    @property
    def figures(self) -> tuple[float, ...] | None:
        """Its values where it came to its end with all of them."""
        if self.state != State.SUCCEEDED or self.values is None:
            return None
        found = tuple(value for value in self.values if value is not None)
        return found if len(found) == len(self.values) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRecord:
    """One point of a sweep's space, tried with one seed or several.

    Attributes:
        number: 1, 2, 3, ... in the order in which they were proposed.
        overrides: The value of every axis that it has, by dotted path.
        trials: The numbers of its trials.
        means: Of its trials' values, one per objective; None until all of them succeeded with all objectives.
        deviations: Their sample standard deviations; 0 with one seed.
    """

    number: int
    overrides: dict[str, Any]
    trials: tuple[int, ...]
    means: tuple[float, ...] | None
    deviations: tuple[float, ...] | None


def points_of(trials: Sequence[TrialRecord], *, seeds: int = 1) -> list[PointRecord]:
    """The points of a sweep whose trials come in order, `seeds` of them for each."""
    return [_point(start // seeds + 1, trials[start : start + seeds], seeds) for start in range(0, len(trials), seeds)]


def best_point(points: Sequence[PointRecord], objectives: Sequence[Objective]) -> PointRecord | None:
    """The point with the best mean, the earlier of two that are equal; None with several objectives, which have no best."""
    if len(objectives) > 1:
        return None
    sign = 1 if objectives[0].direction == "max" else -1
    ended = [point for point in points if point.means is not None]
    return max(ended, key=lambda point: (sign * (point.means or (0.0,))[0], -point.number), default=None)


def pareto_set(points: Sequence[PointRecord], objectives: Sequence[Objective]) -> list[PointRecord]:
    """The points that no other one beats: as good in every objective and better in one. In order.

    With one objective these are all points with the best mean.
    """
    signs = [1 if objective.direction == "max" else -1 for objective in objectives]
    scored = [
        (tuple(sign * mean for sign, mean in zip(signs, point.means, strict=True)), point)
        for point in points
        if point.means is not None
    ]
    # From the best first objective down, only points before one can beat it.
    front: list[tuple[tuple[float, ...], PointRecord]] = []
    for score, point in sorted(scored, key=lambda pair: pair[0], reverse=True):
        if not any(_beats(other, score) for other, _ in front):
            front.append((score, point))
    return sorted((point for _, point in front), key=lambda point: point.number)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine >= yours for mine, yours in zip(one, other, strict=True))


def _point(number: int, trials: Sequence[TrialRecord], seeds: int) -> PointRecord:
    overrides = dict(trials[0].overrides)
    if seeds > 1:
        overrides.pop(SEED, None)
    found = [trial.figures for trial in trials]
    ended = [figures for figures in found if figures is not None]
    means = deviations = None
    if len(ended) == seeds:
        columns = list(zip(*ended, strict=True))
        means = tuple(math.fsum(column) / seeds for column in columns)
        deviations = tuple(statistics.stdev(column) if seeds > 1 else 0.0 for column in columns)
    return PointRecord(
        number=number,
        overrides=overrides,
        trials=tuple(trial.number for trial in trials),
        means=means,
        deviations=deviations,
    )


def best_trial(
    trials: Sequence[TrialRecord], *, objectives: Sequence[Objective] = (Objective(),), seeds: int = 1
) -> TrialRecord | None:
    """The trial of the best point; with several seeds its first."""
    best = best_point(points_of(trials, seeds=seeds), objectives)
    return None if best is None else trials[best.trials[0] - 1]
