"""What `heron sweep` says of a sweep: a line per trial that ends, a table, one JSON object."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from api.domain.states import TERMINAL
from api.domain.sweeps import PointRecord, SweepRecord, TrialRecord, best_trial, pareto_set, points_of
from api.store import SweepStore
from heron_ray.cli.output import share
from tune_spaces import sweep_of

LOOK_S = 0.2


def follow_sweep(sweeps: SweepStore, id: str, should_stop: Callable[[], bool]) -> None:
    """Wait for a sweep's end; a line on stderr for every trial that ends. Asks for its end once `should_stop` says so."""
    told: set[int] = set()
    asked = False
    while True:
        is_over = sweeps.get(id).state in TERMINAL
        for trial in sweeps.trials(id):
            if trial.state in TERMINAL and trial.number not in told:
                told.add(trial.number)
                click.echo(f"trial {trial.number}: {_values(trial.overrides)}: {_outcome(trial)}", err=True)
        if is_over:
            return
        if should_stop() and not asked:
            sweeps.request_cancel(id)
            asked = True
        time.sleep(LOOK_S)


def describe_sweep(sweep: SweepRecord, trials: Sequence[TrialRecord]) -> dict[str, Any]:
    """The object that `--json` prints."""
    plan = sweep_of(sweep.sweep)
    points = points_of(trials, seeds=plan.seeds)
    best = best_trial(trials, objectives=plan.objectives, seeds=plan.seeds)
    return {
        "sweep_id": sweep.id,
        "state": sweep.state,
        "reason": sweep.reason,
        "message": sweep.message,
        "space": plan.space.name,
        "samples": plan.samples,
        "seeds": plan.seeds,
        "search": plan.search,
        "scheduler": plan.scheduler,
        "objectives": [objective.label for objective in plan.objectives],
        "trials": [_plain(trial) for trial in trials],
        "best": None if best is None else _plain(best),
        "pareto": [_point(point) for point in pareto_set(points, plan.objectives)],
    }


def sweep_table(outcome: Mapping[str, Any]) -> Iterator[str]:
    """One line per trial, the best one marked, for `click.echo`."""
    best = outcome["best"]
    for trial in outcome["trials"]:
        mark = "*" if best is not None and trial["number"] == best["number"] else " "
        scores = [trial["validation_accuracy"], trial["test_accuracy"]]
        shown = [f"{'-' if score is None else share(score):>8}" for score in scores]
        yield f"{mark} {trial['number']:>4}  {trial['state']:<9}  {shown[0]}  {shown[1]}  {_values(trial['overrides'])}"
    if best is not None:
        yield f"best: trial {best['number']}, {_values(best['overrides'])} (columns: validation accuracy, test accuracy)"
    if len(outcome["objectives"]) > 1 or outcome["seeds"] > 1:
        for point in outcome["pareto"]:
            means = ", ".join(
                f"{label} {mean:.6g} +- {deviation:.2g}"
                for label, mean, deviation in zip(outcome["objectives"], point["means"], point["deviations"], strict=True)
            )
            yield f"not beaten: point {point['number']}, {_values(point['overrides'])}: {means}"


def _plain(trial: TrialRecord) -> dict[str, Any]:
    return {
        "number": trial.number,
        "overrides": trial.overrides,
        "state": trial.state,
        "reason": trial.reason,
        "validation_accuracy": trial.validation_accuracy,
        "test_accuracy": trial.test_accuracy,
        "values": None if trial.values is None else [*trial.values],
        "rounds": trial.round,
        "experiment_id": trial.experiment_id,
    }


def _point(point: PointRecord) -> dict[str, Any]:
    return {
        "number": point.number,
        "overrides": point.overrides,
        "trials": [*point.trials],
        "means": [*(point.means or ())],
        "deviations": [*(point.deviations or ())],
    }


def _values(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in overrides.items())


def _outcome(trial: TrialRecord) -> str:
    score = "" if trial.validation_accuracy is None else f", validation accuracy {share(trial.validation_accuracy)}"
    return f"{trial.state}{f' ({trial.reason})' if trial.reason else ''}{score}"
