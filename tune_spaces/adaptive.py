"""Searches that learn from trials: Optuna's samplers, asked for one point at a time and told what it came to.

Ray Tune takes the points from here (`bridge.TrialSource`). Its own wrapper of Optuna knows neither conditional axes nor how to
go on after a restart. Whoever holds an `AdaptiveSearch` writes every point down before it is tried; after a restart the same
points are replayed, in order, with what they came to. No Ray here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import optuna
from pydantic import JsonValue

from heron_ray.spec.space import Axis, ChoiceAxis, GridAxis, IntegerAxis
from heron_ray.spec.sweep import SweepSpec
from tune_spaces.grid import readable

Overrides = dict[str, JsonValue]
Values = Sequence[float]

# Points at random before the first that is learnt from.
STARTUP = 10
# Of a population that evolves: its size, and the share of values drawn anew.
POPULATION = 20
MUTATION = 0.1
# A space of few points may be used up; looking for one that was not tried must end.
VAIN_ASKS = 50


class AdaptiveSearch:
    """Proposes the points of one sweep, each only once. A function of its seed and of what it was told, and when.

    Points count from 1. One that failed, or does not report every objective, counts as badly as the worst told so far.

    Example:
        >>> from tune_spaces import plan_sweep
        >>> search = AdaptiveSearch(plan_sweep("mu", {"samples": 3, "search": "optuna"}))
        >>> list(search.propose())
        ['method.zeroth_order.mu']
    """

    def __init__(self, sweep: SweepSpec) -> None:
        """Nothing is known."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sweep = sweep
        directions: list[Literal["maximize", "minimize"]] = [
            "maximize" if objective.direction == "max" else "minimize" for objective in sweep.objectives
        ]
        self._study = optuna.create_study(directions=directions, sampler=_sampler(sweep, 0))
        self._known: set[str] = set()
        # Of the points under way, and how many there were in all.
        self._asked: dict[int, optuna.Trial] = {}
        self._count = 0
        self._worst: list[float] | None = None

    def learn(self, prior: Iterable[tuple[Mapping[str, JsonValue], Values]]) -> None:
        """Take in points of other sweeps, before any of this one. Those that this space does not have are left out."""
        for overrides, values in prior:
            if (inner := self._inner(overrides)) is not None:
                self._tell(self._ask(inner)[0], values)

    def replay(self, points: Sequence[Overrides], results: Mapping[int, Values | None]) -> None:
        """Take in the points that were proposed before a restart, in order, with what those that have ended came to."""
        own = self._study.sampler
        if self._sweep.search != "nsga2":
            # Only a population remembers how its points came about; for the others asking would be work for nothing.
            self._study.sampler = optuna.samplers.RandomSampler(seed=0)
        for point in points:
            inner = self._inner(point)
            trial, _ = self._ask({} if inner is None else inner)
            self._note(point, trial)
            if self._count in results:
                self.tell(self._count, results[self._count])
        self._study.sampler = own if self._sweep.search == "nsga2" else _sampler(self._sweep, len(points))

    def tell(self, point: int, values: Values | None) -> None:
        """What a point came to: a value per objective, or None; telling again changes nothing."""
        if (trial := self._asked.pop(point, None)) is not None:
            self._tell(trial, values)

    def propose(self) -> Overrides | None:
        """The next point; None where none is found that was not proposed before, or `samples` of them were."""
        if self._count >= self._sweep.samples:
            return None
        for _ in range(VAIN_ASKS):
            trial, point = self._ask({})
            if repr(point) not in self._known:
                self._note(point, trial)
                return point
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return None

    def _note(self, point: Overrides, trial: optuna.Trial) -> None:
        self._count += 1
        self._known.add(repr(point))
        self._asked[self._count] = trial

    def _ask(self, fixed: Mapping[str, Any]) -> tuple[optuna.Trial, Overrides]:
        """A point of which the values in Optuna's terms may be given."""
        space = self._sweep.space
        with warnings.catch_warnings():
            # It says which of its features may change, and that conditional axes are drawn one by one.
            warnings.simplefilter("ignore")
            if fixed:
                self._study.enqueue_trial(dict(fixed))
            trial = self._study.ask()
            point: Overrides = {}
            for path, axis in space.axes.items():
                if space.is_present(path, point):
                    point[path] = _suggest(trial, path, axis)
        return trial, point

    def _tell(self, trial: optuna.Trial, values: Values | None) -> None:
        directions = [objective.direction for objective in self._sweep.objectives]
        if values is None and self._worst is None:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        told = list(self._worst or ()) if values is None else list(values)
        worst = self._worst or told
        self._worst = [
            min(pair) if direction == "max" else max(pair) for direction, *pair in zip(directions, worst, told, strict=True)
        ]
        self._study.tell(trial, told)

    def _inner(self, overrides: Mapping[str, JsonValue]) -> dict[str, Any] | None:
        """A point in Optuna's terms; None where this space does not have it."""
        space = self._sweep.space
        found: dict[str, Any] = {}
        present: Overrides = {}
        for path, axis in space.axes.items():
            if not space.is_present(path, present):
                continue
            if path not in overrides or (value := place(axis, overrides[path])) is None:
                return None
            found[path], present[path] = value, overrides[path]
        return found


def _sampler(sweep: SweepSpec, replayed: int) -> optuna.samplers.BaseSampler:
    """The search's sampler, with draws of its own after a restart."""
    seed = (sweep.seed + replayed) % 2**32
    if sweep.search == "optuna":
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
    if sweep.search == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP)
    # Its own defaults swap whole values between parents, and draw a space of one axis at random for ever.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        crossover = optuna.samplers.nsgaii.BLXAlphaCrossover()
    mutation = min(MUTATION, 1 / len(sweep.space.axes))
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION, crossover=crossover, mutation_prob=mutation)


def _suggest(trial: optuna.Trial, path: str, axis: Axis) -> JsonValue:
    """A value of an axis. Values of lists are drawn by their place, for they may be whole sections."""
    if isinstance(axis, ChoiceAxis | GridAxis):
        return axis.values[trial.suggest_categorical(path, list(range(len(axis.values))))]
    if isinstance(axis, IntegerAxis):
        return trial.suggest_int(path, axis.low, axis.high, log=axis.log)
    value = trial.suggest_float(path, axis.low, axis.high, log=axis.kind == "loguniform")
    return readable(value, axis.low, axis.high)


def distribution(axis: Axis) -> optuna.distributions.BaseDistribution:
    """What an axis is to Optuna."""
    if isinstance(axis, ChoiceAxis | GridAxis):
        return optuna.distributions.CategoricalDistribution(list(range(len(axis.values))))
    if isinstance(axis, IntegerAxis):
        return optuna.distributions.IntDistribution(axis.low, axis.high, log=axis.log)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.kind == "loguniform")


def place(axis: Axis, value: JsonValue) -> float | int | None:
    """A value of an axis in Optuna's terms; None where the axis does not have it."""
    if isinstance(axis, ChoiceAxis | GridAxis):
        return axis.values.index(value) if value in axis.values else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not axis.low <= value <= axis.high:
        return None
    return int(value) if isinstance(axis, IntegerAxis) else float(value)
