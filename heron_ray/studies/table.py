"""A study in numbers: a row per cell, and per combination of labels the mean and the spread over seeds."""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from heron_ray.figures.curve import Curve
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.study import SEED
from heron_ray.studies.cells import Cell

ACCURACIES: Final[Mapping[str, str]] = {
    "validation_accuracy": "validation_accuracy",
    "auxiliary_validation_accuracy": "auxiliary_validation_accuracy",
    "test_accuracy": "test_accuracy",
    "auxiliary_test_accuracy": "auxiliary_accuracy",
}
"""Columns of the tables, and the field of a run's result that each holds."""

COSTS: Final = ("client_macs_per_step", "client_peak_bytes", "bytes_up", "bytes_down")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cell.

    Attributes:
        labels: Axis to label, the seed last.
        state: SUCCEEDED, DIVERGED, FAILED, CANCELLED, IMPOSSIBLE, or NOT_RUN.
        accuracies: By column; None where there is none. A run that diverged has that of guessing, one in the number of classes;
            a method that trains no auxiliary head has no auxiliary accuracy.
        plain: All columns after the labels, as they stand in the file.
        curves: By column, what was measured at each evaluation; empty where nothing is known of it.
    """

    labels: Mapping[str, str]
    state: str
    accuracies: Mapping[str, float | None]
    plain: Mapping[str, Any]
    curves: Mapping[str, Curve] = field(default_factory=dict)


def rows_of(cells: Sequence[Cell], outcomes: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """A row for every cell, in order."""
    return [_row(cell, outcomes.get(cell.key or "")) for cell in cells]


def states_of(rows: Sequence[Row]) -> dict[str, int]:
    """How many cells are in each state."""
    return dict(Counter(row.state for row in rows))


def _row(cell: Cell, outcome: Mapping[str, Any] | None) -> Row:
    state = "IMPOSSIBLE" if cell.spec is None else "NOT_RUN" if outcome is None else outcome["state"]
    result = (outcome or {}).get("result") or {}
    reason = cell.impossible or (outcome or {}).get("message")
    accuracies = _accuracies(cell.spec, state, result)
    plain = {
        "state": state,
        **accuracies,
        "rounds": result.get("rounds"),
        **{name: (result.get("costs") or {}).get(name) for name in COSTS},
        "trajectory_hash": cell.key,
        "trajectory_digest": result.get("trajectory_digest"),
        "reason": reason,
    }
    told = (outcome or {}).get("curves") or {}
    curves = {column: told[column] for column in _known(cell.spec) if column in told}
    return Row(labels=cell.labels, state=state, accuracies=accuracies, plain=plain, curves=curves)


def _known(spec: ExperimentSpec | None) -> list[str]:
    """The accuracies that mean something: not those of an auxiliary head that nobody trains."""
    if spec is None:
        return []
    return [column for column in ACCURACIES if spec.method.trains_auxiliary or "auxiliary" not in column]


def _accuracies(spec: ExperimentSpec | None, state: str, result: Mapping[str, Any]) -> dict[str, float | None]:
    if spec is None or state not in ("SUCCEEDED", "DIVERGED"):
        return dict.fromkeys(ACCURACIES)
    guessing = 1 / spec.data.classes
    accuracies = {column: guessing if state == "DIVERGED" else result[ACCURACIES[column]] for column in _known(spec)}
    return dict.fromkeys(ACCURACIES) | accuracies


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """An accuracy over seeds; the deviation is that of a sample (n - 1), 0 for a single seed."""

    mean: float
    low: float
    high: float
    deviation: float
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The cells that differ in nothing but their seed.

    Attributes:
        labels: Axis to label, without the seed.
        states: How many ended how.
        spreads: By column, over those that ended.
        curves: By column, a curve for each seed that has one.
    """

    labels: Mapping[str, str]
    states: Mapping[str, int]
    spreads: Mapping[str, Spread | None]
    curves: Mapping[str, Sequence[Curve]]


def groups_of(rows: Sequence[Row]) -> list[Group]:
    """The rows without their seeds, in order; spreads are over those that ended."""
    gathered: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        gathered.setdefault(tuple(label for name, label in row.labels.items() if name != SEED), []).append(row)
    return [_group(members) for members in gathered.values()]


def _group(rows: Sequence[Row]) -> Group:
    return Group(
        labels={name: label for name, label in rows[0].labels.items() if name != SEED},
        states=states_of(rows),
        spreads={
            column: spread_of([value for row in rows if (value := row.accuracies[column]) is not None]) for column in ACCURACIES
        },
        curves={column: [row.curves[column] for row in rows if column in row.curves] for column in ACCURACIES},
    )


def spread_of(values: Sequence[float]) -> Spread | None:
    """Mean and spread of some values; None of none."""
    if not values:
        return None
    return Spread(
        mean=statistics.fmean(values),
        low=min(values),
        high=max(values),
        deviation=statistics.stdev(values) if len(values) > 1 else 0.0,
        seeds=len(values),
    )


def cells_csv(rows: Sequence[Row]) -> str:
    """Every cell: its labels, how it ended, accuracies, costs, hashes."""
    return _csv([{**row.labels, **row.plain} for row in rows])


def summary_csv(groups: Sequence[Group]) -> str:
    """Every combination of labels: mean, lowest, highest and standard deviation of each accuracy over seeds."""
    return _csv([{**group.labels, **_summary(group)} for group in groups])


def _summary(group: Group) -> dict[str, Any]:
    columns: dict[str, Any] = {"states": " ".join(f"{state}:{count}" for state, count in group.states.items())}
    for column, spread in group.spreads.items():
        for part in ("mean", "low", "high", "deviation"):
            columns[f"{column}_{part}"] = None if spread is None else round(getattr(spread, part), 6)
    return columns


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
