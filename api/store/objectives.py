"""What a trial came to: one value per objective of its sweep, from its series and its result. Callers hold the transaction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from api.store.tables import PointRow
from heron_ray.spec.sweep import COSTS, Objective

VALIDATION = "validation_accuracy"


def read_values(
    session: Session, experiment: int, result: Mapping[str, Any] | None, objectives: Sequence[Objective]
) -> list[float | None]:
    """The value of each objective for the experiment with this number; None where it does not report a finite one."""
    return [_finite(_value(session, experiment, result or {}, objective)) for objective in objectives]


def reported(session: Session, experiment: int, result: Mapping[str, Any] | None) -> list[str]:
    """The names that an objective could have for this experiment."""
    series = session.scalars(select(PointRow.series).where(PointRow.experiment == experiment).distinct())
    costs = (result or {}).get("costs", {})
    return [*sorted(name for name in series if "test_" not in name), *(COSTS + name for name in costs)]


def _value(session: Session, experiment: int, result: Mapping[str, Any], objective: Objective) -> Any:
    if objective.is_cost:
        return result.get("costs", {}).get(objective.series.removeprefix(COSTS))
    where: list[ColumnElement[bool]] = [PointRow.experiment == experiment, PointRow.series == objective.series]
    if objective.until_accuracy is not None:
        reached = session.scalar(
            select(func.min(PointRow.round)).where(
                PointRow.experiment == experiment, PointRow.series == VALIDATION, PointRow.value >= objective.until_accuracy
            )
        )
        if reached is None:
            return None
        where.append(PointRow.round <= reached)
    if objective.reduce == "last":
        if objective.series == VALIDATION and objective.until_accuracy is None and VALIDATION in result:
            # A run that was stopped between two evaluations has this one in its result alone.
            return result[VALIDATION]
        return session.scalar(select(PointRow.value).where(*where).order_by(PointRow.round.desc()).limit(1))
    best = func.max if objective.direction == "max" else func.min
    reduced = {"best": best, "mean": func.avg, "sum": func.sum}[objective.reduce]
    return session.scalar(select(reduced(PointRow.value)).where(*where))


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
