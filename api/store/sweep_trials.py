"""Reading the trials of a sweep: their experiments' states and scores. Callers hold the transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from api.domain.states import TERMINAL, State
from api.domain.sweeps import TrialRecord
from api.store.tables import ExperimentRow, PointRow

VALIDATION = "validation_accuracy"
TEST = "test_accuracy"


def experiments_of(id: str) -> Select[ExperimentRow]:
    """The experiments of a sweep, in the order of their trials."""
    return select(ExperimentRow).where(ExperimentRow.sweep_id == id).order_by(ExperimentRow.trial)


def read_trials(
    session: Session, id: str, proposals: Sequence[Mapping[str, Any]], *, without_experiment: State
) -> list[TrialRecord]:
    """Every proposed trial as its experiment stands; those that have none are in the state given."""
    columns = experiments_of(id).with_only_columns(
        ExperimentRow.trial,
        ExperimentRow.number,
        ExperimentRow.id,
        ExperimentRow.state,
        ExperimentRow.reason,
        ExperimentRow.round,
        ExperimentRow.rounds,
        ExperimentRow.result,
    )
    rows = {row.trial: row for row in session.execute(columns)}
    newest = _newest_scores(session, id)
    trials = []
    for number, overrides in enumerate(proposals, start=1):
        row = rows.get(number)
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
            )
        )
    return trials


def read_scores(session: Session, id: str, after: Mapping[int, int]) -> dict[int, tuple[list[tuple[int, float]], bool]]:
    """(round, validation accuracy) of trials by number, each after the round given for it; and whether the trial has ended."""
    found: dict[int, tuple[list[tuple[int, float]], bool]] = {}
    experiments = experiments_of(id).where(ExperimentRow.trial.in_(after))
    columns = (ExperimentRow.trial, ExperimentRow.number, ExperimentRow.state)
    # The state first: what is there once it is an end is all there will be.
    for trial, key, state in session.execute(experiments.with_only_columns(*columns)).all():
        assert trial is not None  # noqa: S101 - for mypy: a row of a sweep has a number
        points = select(PointRow.round, PointRow.value).where(
            PointRow.experiment == key, PointRow.series == VALIDATION, PointRow.round > after[trial]
        )
        # A score that is not finite is the worst there is.
        scores = [(round, value or 0.0) for round, value in session.execute(points.order_by(PointRow.round))]
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
