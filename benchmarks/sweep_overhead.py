"""What a trial of a sweep costs beyond its own compute, beside the same experiments as plain Ray Tune function trainables.

    python -m benchmarks.sweep_overhead --trials 40 --json benchmarks/results/sweep_overhead.json

All run one trial after another on one machine, in one run of this program: the sweep, then Tune with one warm process for all
trials (`reuse_actors`, its best), then Tune as it comes, where each trial has a process of its own. The overhead of a trial is
the time from the end of the one before it to its own, less the seconds that its simulation measured. The first trial of each
pays for starting up and is left out. Resident memory and open files of every process of the sweep are read at some 40
moments; a slope is that of least squares after the first quarter, with its 95 % interval.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import psutil

from api.dispatcher.embedded import EmbeddedDispatcher
from api.domain.states import TERMINAL
from benchmarks.pairs import fit, machine
from benchmarks.service_memory import WARM_UP
from heron_ray.spec import ExperimentSpec, parse_spec, read_spec_file
from tune_spaces import require_fit, sweep_of, trial_spec

MIB = 2**20
LOOK_S = 0.1
SAMPLES = 40
SPEC = Path(__file__).parents[1] / "experiments" / "digits-heron.yaml"
RATES = {"method.client_optimizer.lr": {"kind": "loguniform", "low": 1e-3, "high": 1e-1}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process at one moment: resident bytes and open files."""

    name: str
    bytes: int
    files: int


Sample: TypeAlias = tuple[int, dict[int, Process]]
"""How many trials had ended, and the processes by their ids."""


def main() -> None:
    """Measure both and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--plain-trials", type=int, default=40, help="Of the warm Tune, at most; of the other, half as many.")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    base = {
        **read_spec_file(SPEC),
        "rounds": arguments.rounds,
        "evaluation": {"every": 10},
        # As on the other side: a trial's simulation runs in one process.
        "compute": {"executor": "local"},
    }
    ours, specs = measure_sweep(base, arguments.trials)
    warm = measure_tune(specs[: arguments.plain_trials], reuse_actors=True)
    plain = measure_tune(specs[: arguments.plain_trials // 2], reuse_actors=False)
    configuration = {"spec": SPEC.name, "trials": arguments.trials, "rounds": arguments.rounds}
    report = {"configuration": configuration, "machine": machine(), "heron": ours, "tune_warm": warm, "tune": plain}
    print(json.dumps(report, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def measure_sweep(base: Mapping[str, Any], trials: int) -> tuple[dict[str, Any], list[ExperimentSpec]]:
    """What `heron sweep run --concurrency 1` does; also the trials' experiments, for the other side."""
    sweep = sweep_of({"space": {"axes": RATES}, "samples": trials})
    name = require_fit(sweep, base).name
    with EmbeddedDispatcher(concurrency=1) as dispatcher:
        store = dispatcher.store
        id = store.sweeps.submit(base, sweep, name=name).id
        samples: list[Sample] = []
        while store.sweeps.get(id).state not in TERMINAL:
            ended = sum(trial.state in TERMINAL for trial in store.sweeps.trials(id))
            if ended >= (samples[-1][0] if samples else 0) + max(trials // SAMPLES, 1):
                samples.append((ended, processes()))
            time.sleep(LOOK_S)
        found = [store.get(trial.experiment_id or "") for trial in store.sweeps.trials(id)]
        runs = sorted((run.updated_at.timestamp(), (run.result or {})["wall_seconds"]) for run in found)
        specs = [trial_spec(base, sweep.space, trial.overrides) for trial in store.sweeps.trials(id)]
    return {**summary(runs), "processes": slopes(samples)}, specs


def measure_tune(specs: Sequence[ExperimentSpec], *, reuse_actors: bool) -> dict[str, Any]:
    """The same experiments as a function that Ray Tune calls."""
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        from heron_ray.simulation import ListSink, LocalExecutor, Simulation

        result = Simulation(parse_spec(config["spec"]), LocalExecutor(), sink=ListSink()).run()
        tune.report({"validation_accuracy": result.validation_accuracy, "wall": result.wall_seconds})

    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    ends: list[tuple[float, float]] = []

    class Ends(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ends.append((time.time(), trial.last_result["wall"]))

    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with tempfile.TemporaryDirectory() as directory:
            tune.Tuner(
                trainable,
                param_space={"spec": tune.grid_search([spec.canonical() for spec in specs])},
                tune_config=tune.TuneConfig(
                    metric="validation_accuracy",
                    mode="max",
                    max_concurrent_trials=1,
                    reuse_actors=reuse_actors,
                ),
                run_config=tune.RunConfig(storage_path=directory, verbose=0, callbacks=[Ends()]),
            ).fit()
    finally:
        ray.shutdown()
    return {"trials": len(specs), **summary(sorted(ends))}


def summary(runs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Overheads of (end, own seconds) pairs in order of their ends."""
    over = [1000 * (end - before - own) for (before, _), (end, own) in itertools.pairwise(runs)]
    own = [own for _, own in runs]
    return {
        "own_s_median": round(statistics.median(own), 4),
        "overhead_ms": {
            "median": round(statistics.median(over), 1),
            "p90": round(statistics.quantiles(over, n=10)[-1], 1),
            "mean": round(statistics.fmean(over), 1),
        },
    }


def processes() -> dict[int, Process]:
    """This process and everything below it, by their ids."""
    here = psutil.Process()
    found = {}
    for process in (here, *here.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            name = process.cmdline()[0].rsplit("/", 1)[-1] if process.pid != here.pid else "this program: dispatcher"
            found[process.pid] = Process(name=name, bytes=process.memory_info().rss, files=process.num_fds())
    return found


def slopes(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Of each process that was there since the warm-up: memory and open files, then and last, and what a trial adds."""
    steady = samples[int(WARM_UP * len(samples)) :]
    if len(steady) < 3:  # no slope, and no interval, from fewer
        return []
    found = []
    for pid in steady[0][1]:
        seen = [(ended, there[pid]) for ended, there in steady if pid in there]
        if len(seen) < len(steady):
            continue
        trials = [ended for ended, _ in seen]
        memory = fit(trials, [process.bytes / 1000 for _, process in seen])
        files = fit(trials, [process.files for _, process in seen])
        found.append(
            {
                "name": seen[-1][1].name,
                "rss_mib": [round(process.bytes / MIB, 1) for process in (seen[0][1], seen[-1][1])],
                "kb_per_trial": [round(memory[name], 3) for name in ("slope", "low", "high")],
                "files": [seen[0][1].files, seen[-1][1].files],
                "files_per_trial": [round(files[name], 5) for name in ("slope", "low", "high")],
            }
        )
    return found


if __name__ == "__main__":
    main()
