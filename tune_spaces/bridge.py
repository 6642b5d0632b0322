"""The bridge to Ray Tune, which asks for trials and decides which of them to stop early. Nothing is trained here.

Tune's trainable is a proxy that takes next to no CPU: it has the trial's experiment submitted by a `TrialRunner`, relays what
the scheduler compares, and waits. What to try next, Tune asks a `TrialSource`. Only this module of the room imports Ray; only
the dispatcher imports it.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import JsonValue
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.variant_generator import generate_variants

from heron_ray.spec.space import Axis, ChoiceAxis, GridAxis, LogUniformAxis, UniformAxis
from heron_ray.spec.sweep import Scheduler, SweepSpec
from tune_spaces.grid import distinct_values, grid_points, readable
from tune_spaces.news import WORST, TrialNews

LOG = logging.getLogger(__name__)

# What schedulers compare; more is better, whatever the objective.
SCORE = "score"
ROUND = "round"
# Asynchronous successive halving: the best third goes on at each rung, the first rung after a ninth of the rounds. The median
# rule looks from the same round on, once it knows three trials.
REDUCTION = 3
FIRST_RUNG = 9
# A space may have few points left that were not drawn; looking for them must end.
VAIN_DRAWS = 1000
PROXY_FAILURES = 3
NEVER_S = "1000000"
# As good as none: Tune refuses a trial that asks for nothing at all.
PROXY_CPU = 0.001

Overrides = dict[str, JsonValue]


class TrialRunner(Protocol):
    """Runs trials for Tune's proxies. It crosses process boundaries, so it must be picklable."""

    def submit(self, number: int, overrides: Overrides) -> None:
        """Have a trial run; asking again for the same number changes nothing."""

    def events(self, number: int, *, after: int) -> TrialNews:
        """What happened to a trial after round `after`; may wait a while for something to happen."""

    def stop(self, number: int) -> None:
        """Tune wants no more of a trial."""


class TrialSource(Protocol):
    """What to try next."""

    def next_trial(self) -> tuple[int, Overrides] | None:
        """The next trial's number and overrides; None once there is none any more."""


class TrialProxy(tune.Trainable):  # type: ignore[misc]  # Ray is not followed by mypy
    """One trial as Tune sees it. An instance serves one trial after another."""

    def setup(self, config: dict[str, Any], runner: TrialRunner | None = None) -> None:
        """Submit the trial's experiment."""
        if runner is not None:
            self._runner = runner
        self._number: int = config["trial"]["number"]
        self._round, self._score = 0, WORST
        self._waiting: list[tuple[int, float]] = []
        self._ended = self._has_reported = False
        self._runner.submit(self._number, config["trial"]["overrides"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Serve another trial."""
        self.cleanup()
        TrialProxy.setup(self, new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Wait for the next evaluation; a trial that ended without one counts as the worst there can be."""
        self._has_reported = False
        while not self._waiting and not self._ended:
            news = self._runner.events(self._number, after=self._round)
            self._waiting, self._ended = list(news.scores), news.ended
        if self._waiting:
            self._round, self._score = self._waiting.pop(0)
        self._has_reported = True
        return {ROUND: self._round, SCORE: self._score, "done": self._ended and not self._waiting}

    def cleanup(self) -> None:
        """Ask for the trial's end where a scheduler wants no more of it, which it says after a report.

        Tune also drops proxies whose trial goes on in another: one that failed, and one that was still coming up when a warm
        one was free to take the trial.
        """
        if self._has_reported and not self._ended:
            self._runner.stop(self._number)


class _Source(Searcher):  # type: ignore[misc]  # Ray is not followed by mypy
    """A `TrialSource` as Tune asks it. It has nothing to be saved: what it hands out is in the database."""

    def __init__(self, source: TrialSource) -> None:
        super().__init__(metric=SCORE, mode="max")
        self._source = source

    def __getstate__(self) -> dict[str, Any]:
        """Tune's notes hold a pickled copy, which nothing is read back from; what learns cannot be pickled."""
        return {**self.__dict__, "_source": None}

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> Any:
        found = self._source.next_trial()
        return Searcher.FINISHED if found is None else {"trial": {"number": found[0], "overrides": found[1]}}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """What a trial came to is learnt from the database, which also knows it after a restart."""

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()


def propose(sweep: SweepSpec) -> list[Overrides]:
    """The points of a sweep that learns nothing from its trials, all distinct, in order; a function of the sweep alone.

    Fewer than `samples` where the space has no more. Raises SpecError where a grid needs more samples.
    """
    space, axes = sweep.space, sweep.space.axes
    found: dict[str, Overrides] = {}
    if sweep.search == "grid":
        grids = {path: tune.grid_search(points) for path, points in grid_points(axes, sweep.samples).items()}
        for drawn in _draw(grids, None):
            point = space.present(drawn)
            found.setdefault(repr(point), point)
        return list(found.values())
    generator = np.random.default_rng(sweep.seed)
    most = 1.0
    for axis in axes.values():
        most *= distinct_values(axis)
    wanted = int(min(sweep.samples, most))
    domains = {path: _domain(axis) for path, axis in axes.items()}
    in_vain = 0
    while in_vain < VAIN_DRAWS:
        in_vain += 1
        for drawn in _draw(domains, generator):
            point = space.present({path: _plain(axes[path], value) for path, value in drawn.items()})
            if repr(point) not in found:
                found[repr(point)], in_vain = point, 0
            if len(found) == wanted:
                return list(found.values())
    return list(found.values())


def run_trials(
    source: TrialSource,
    runner: TrialRunner,
    *,
    scheduler: Scheduler,
    rounds: int,
    concurrency: int,
    directory: str,
) -> None:
    """Let Tune take every trial to its end. Ray must be connected.

    Args:
        source: The trials.
        runner: Where the proxies submit and listen.
        scheduler: Who may stop a trial before its end.
        rounds: Rounds of a trial that is not stopped.
        concurrency: Trials that are submitted and not ended, at most.
        directory: For Tune's own notes; nothing is read back from it.
    """
    # No files per trial, no notes of Tune's own while it runs, and never a second Ray.
    os.environ |= {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_AUTO_INIT": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": NEVER_S,
    }
    proxy = tune.with_resources(tune.with_parameters(TrialProxy, runner=runner), {"cpu": PROXY_CPU})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ended = tune.Tuner(
            proxy,
            tune_config=tune.TuneConfig(
                metric=SCORE,
                mode="max",
                search_alg=_Source(source),
                # Until the source has no more.
                num_samples=-1,
                scheduler=_scheduler(scheduler, rounds),
                max_concurrent_trials=concurrency,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=directory,
                verbose=0,
                # A proxy has nothing to save, though Tune would have every class save at its end.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=PROXY_FAILURES),
            ),
        ).fit()
    for error in ended.errors:
        LOG.warning("a proxy failed: %s", error)


def _scheduler(kind: Scheduler, rounds: int) -> TrialScheduler:
    if kind == "none":
        return FIFOScheduler()
    grace = max(1, rounds // FIRST_RUNG)
    if kind == "median":
        # It would pause trials until it knows enough others; a running experiment cannot be paused.
        return MedianStoppingRule(time_attr=ROUND, grace_period=grace, min_time_slice=math.inf)
    return ASHAScheduler(
        time_attr=ROUND,
        max_t=rounds,
        grace_period=grace,
        reduction_factor=REDUCTION,
        stop_last_trials=False,
    )


def _domain(axis: Axis) -> Any:
    """An axis in Tune's terms. Lists are drawn by index, because Tune would look for domains inside their values."""
    if isinstance(axis, ChoiceAxis):
        return tune.choice(range(len(axis.values)))
    if isinstance(axis, GridAxis):
        return tune.grid_search(list(range(len(axis.values))))
    if isinstance(axis, UniformAxis):
        return tune.uniform(axis.low, axis.high)
    if isinstance(axis, LogUniformAxis):
        return tune.loguniform(axis.low, axis.high)
    return (tune.lograndint if axis.log else tune.randint)(axis.low, axis.high + 1)


def _plain(axis: Axis, value: Any) -> JsonValue:
    if isinstance(axis, ChoiceAxis | GridAxis):
        return axis.values[int(value)]
    if isinstance(axis, UniformAxis | LogUniformAxis):
        return readable(float(value), axis.low, axis.high)
    return int(value)


def _draw(domains: Mapping[str, Any], generator: np.random.Generator | None) -> Iterator[dict[str, Any]]:
    """One crossing of the grids among `domains`, the others drawn for each. Paths are numbered: Tune splits at dots."""
    paths = list(domains)
    numbered = {str(index): domains[path] for index, path in enumerate(paths)}
    for _, drawn in generate_variants(numbered, random_state=generator):
        yield {path: drawn[str(index)] for index, path in enumerate(paths)}
