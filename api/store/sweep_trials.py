"""Reading the trials of a sweep: their experiments' states and scores. Callers hold the transaction.

A trial that was retried has two experiments of the sweep; only the newer one has its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from api.domain.states import TERMINAL, State
from api.domain.sweeps import TrialRecord
from api.store.objectives import VALIDATION
from api.store.tables import ExperimentRow, PointRow

TEST = "test_accuracy"


def experiments_of(id: str) -> Select[ExperimentRow]:
    """The experiments of a sweep, in the order of their trials."""
    is_trial = ExperimentRow.trial.is_not(None)
    return select(ExperimentRow).where(ExperimentRow.sweep_id == id, is_trial).order_by(ExperimentRow.trial)


def read_trials(
    session: Session,
    id: str,
    proposals: Sequence[Mapping[str, Any]],
    *,
    without_experiment: State,
    numbers: Sequence[int] | None = None,
) -> list[TrialRecord]:
    """Proposed trials as their experiments stand, all or those with these numbers; without one they are in the state given."""
    wanted = range(1, len(proposals) + 1) if numbers is None else sorted(numbers)
    experiments = experiments_of(id)
    if numbers is not None:
        experiments = experiments.where(ExperimentRow.trial.in_(numbers))
    columns = experiments.with_only_columns(
        ExperimentRow.trial,
        ExperimentRow.number,
        ExperimentRow.id,
        ExperimentRow.state,
        ExperimentRow.reason,
        ExperimentRow.round,
        ExperimentRow.rounds,
        ExperimentRow.result,
        ExperimentRow.objectives,
    )
    rows = {row.trial: row for row in session.execute(columns)}
    newest = _newest_scores(session, id) if numbers is None else {}
    trials = []
    for number in wanted:
        row, overrides = rows.get(number), proposals[number - 1]
        if row is None:
            trials.append(TrialRecord(number=number, overrides=dict(overrides), state=without_experiment))
            continue
        scores = row.result if row.result is not None else newest.get(row.number, {})
        trials.append(
            TrialRecord(
                number=number,
                overrides=dict(overrides),
                experiment_id=row.id,
                state=State(row.state),
                reason=row.reason,
                round=row.round,
                rounds=row.rounds,
                validation_accuracy=scores.get(VALIDATION),
                test_accuracy=scores.get(TEST),
                values=_values(row.objectives, row.result, State(row.state)),
            )
        )
    return trials


def _values(
    objectives: list[float | None] | None, result: Mapping[str, Any] | None, state: State
) -> tuple[float | None, ...] | None:
    """What an ended trial came to. Sweeps of earlier versions knew one objective and wrote down nothing beside the result."""
    if objectives is not None:
        return tuple(objectives)
    return (result.get(VALIDATION),) if result is not None and state in TERMINAL else None


def read_scores(
    session: Session, id: str, after: Mapping[int, int], series: str | None
) -> dict[int, tuple[list[tuple[int, float | None]], bool]]:
    """Points of a series of trials by number, each after the round given for it; and whether the trial has ended.

    A value that was not finite is None. Without a series there are no points.
    """
    found: dict[int, tuple[list[tuple[int, float | None]], bool]] = {}
    experiments = experiments_of(id).where(ExperimentRow.trial.in_(after))
    columns = (ExperimentRow.trial, ExperimentRow.number, ExperimentRow.state)
    # The state first: what is there once it is an end is all there will be.
    for trial, key, state in session.execute(experiments.with_only_columns(*columns)).all():
        assert trial is not None  # noqa: S101 - for mypy: a row of a sweep has a number
        scores: list[tuple[int, float | None]] = []
        if series is not None:
            points = select(PointRow.round, PointRow.value).where(
                PointRow.experiment == key, PointRow.series == series, PointRow.round > after[trial]
            )
            scores = [(round, value) for round, value in session.execute(points.order_by(PointRow.round))]
        found[trial] = (scores, State(state) in TERMINAL)
    return found


def _newest_scores(session: Session, id: str) -> dict[int, dict[str, float | None]]:
    """The last value of both accuracies, by experiment, of those without a result."""
    last = (
        select(PointRow.experiment, PointRow.series, func.max(PointRow.round).label("round"))
        .join(ExperimentRow, ExperimentRow.number == PointRow.experiment)
        .where(ExperimentRow.sweep_id == id, ExperimentRow.result.is_(None), PointRow.series.in_((VALIDATION, TEST)))
        .group_by(PointRow.experiment, PointRow.series)
        .subquery()
    )
    same = (PointRow.experiment == last.c.experiment, PointRow.series == last.c.series, PointRow.round == last.c.round)
    found: dict[int, dict[str, float | None]] = {}
    for experiment, series, value in session.execute(
        select(PointRow.experiment, PointRow.series, PointRow.value).join(last, and_(*same))
    ):
        found.setdefault(experiment, {})[series] = value
    return found
