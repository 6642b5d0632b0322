"""What the number of clients and of rounds costs: round time and resident memory.

    python -m benchmarks.scale              cohorts of 100 from populations of 1e3 to 1e6 clients: what grows with a population?
    python -m benchmarks.scale --slope      the slope of resident memory over many small rounds: does anything pile up?
    python -m benchmarks.scale --paper      peak resident memory of a round of the paper's ResNet-18 setting; needs CIFAR-10

Every run is a process of its own, on the local executor with one thread. One JSON object is printed at the end, and a line per
run on standard error. On a machine with other work, CPU seconds are steadier than wall-clock seconds.

Populations share 2,000,000 samples of 16 features. Every client makes one step on 2 samples, all that a client of a million
holds, so a round is the same work for every population, down to one order of a shard drawn per client.
Populations are interleaved over the repetitions, in turning order. A run gives its median round, the first left out; figures
are medians over repetitions, and ratios to the smallest population are medians of the ratios within a repetition; intervals
(95 %) resample repetitions.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.pairs import fit, machine
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.events import Event, RoundFinished, Started
from heron_ray.spec import ExperimentSpec, load_spec, parse_spec

PAPER: Final = Path(__file__).parent.parent / "experiments" / "paper" / "resnet18-heron.yaml"
ROUNDS: Final = 20
"""Rounds of a population's run whose time and memory count. One more follows: it evaluates."""

WARM_UP: Final = 500
"""First rounds of a slope's run, left out of the fit."""

BLOCK: Final = 100
"""So many consecutive rounds make one point of the fit: neighbours are not independent."""

HERON: Final[dict[str, Any]] = {
    "partition": {"kind": "iid"},
    "model": {"kind": "mlp", "front": [32], "back": [32], "auxiliary": {"kind": "linear"}},
    "method": {
        "kind": "heron",
        "zeroth_order": {"probes": 2},
        "client_optimizer": {"kind": "sgd", "lr": 0.01},
        "server_optimizer": {"kind": "sgd", "lr": 0.1},
    },
    "aggregation": {"kind": "mean"},
    "evaluation": {"every": 1_000_000},
}


class Watch:
    """A sink that keeps no event, and notes in memory taken beforehand.

    Attributes:
        notes: Time, CPU time and resident bytes of this process [rounds + 2, 3]: before the run, after setup, after each round.
    """

    def __init__(self, rounds: int) -> None:
        """Note where the process stands before the run."""
        self._process = psutil.Process()
        self._count = 0
        self.notes = np.full((rounds + 2, 3), np.nan)
        self.note()

    def note(self) -> None:
        """Note where the process stands now."""
        self.notes[self._count] = time.perf_counter(), time.process_time(), self._process.memory_info().rss
        self._count += 1

    def emit(self, event: Event) -> None:
        """Note when a run has started and when each of its rounds is over."""
        if isinstance(event, Started | RoundFinished):
            self.note()


def population_spec(clients: int) -> ExperimentSpec:
    """A cohort of 100 from a population."""
    return parse_spec(
        HERON
        | {
            "rounds": ROUNDS + 1,
            "data": {"kind": "synthetic", "samples": 2_000_000, "features": 16},
            "clients": {"count": clients, "per_round": 100, "batch_size": 2, "local_steps": 1},
        }
    )


def slope_spec(rounds: int) -> ExperimentSpec:
    """Small rounds: two of fifty clients, one step each."""
    return parse_spec(
        HERON
        | {
            "rounds": rounds,
            "data": {"kind": "synthetic", "samples": 1000, "features": 8},
            "clients": {"count": 50, "per_round": 2, "batch_size": 8, "local_steps": 1},
        }
    )


def paper_spec(local_steps: int) -> ExperimentSpec:
    """One round of the paper's setting with fewer local steps: messages, and with them memory, are bounded by bytes."""
    spec, _ = load_spec(PAPER, ["rounds=1", f"clients.local_steps={local_steps}"])
    return spec


def run_one(spec: ExperimentSpec) -> dict[str, Any]:
    """Run an experiment in this process. Resident bytes are those before the run, after setup and after each round."""
    watch = Watch(spec.rounds)
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=watch).run()
    seconds, cpu_seconds, resident = watch.notes.T
    return {
        "setup_seconds": seconds[1] - seconds[0],
        "round_seconds": np.diff(seconds[1:]).tolist(),
        "round_cpu_seconds": np.diff(cpu_seconds[1:]).tolist(),
        "resident_bytes": resident.tolist(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "bytes_up": result.costs.bytes_up,
    }


def run_apart(*arguments: str) -> dict[str, Any]:
    """`run_one` in a process of its own, and the peak of the resident bytes of it and its children, seen every 0.2 s."""
    command = [sys.executable, "-m", "benchmarks.scale", *arguments]
    peak = 0
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(command, stdout=output, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
            while process.poll() is None:
                peak = max(peak, _resident(process.pid))
                time.sleep(0.2)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        output.seek(0)
        run: dict[str, Any] = json.load(output)
    return run | {"tree_peak_bytes": peak}


def _resident(pid: int) -> int:
    """Of a process and its children; 0 if one of them ended while they were counted."""
    try:
        process = psutil.Process(pid)
        return sum(member.memory_info().rss for member in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def summary(values: Sequence[float]) -> dict[str, float]:
    """The median and its bootstrap interval."""
    draws = np.random.default_rng(0).choice(np.array(values), size=(10_000, len(values)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return {"median": statistics.median(values), "low": float(low), "high": float(high)}


def measure_populations(populations: Sequence[int], repetitions: int) -> dict[str, Any]:
    """Round time and resident memory by population."""
    figures: dict[str, Callable[[dict[str, Any]], float]] = {
        "setup_seconds": lambda run: float(run["setup_seconds"]),
        "round_seconds": lambda run: statistics.median(run["round_seconds"][1:ROUNDS]),
        "round_cpu_seconds": lambda run: statistics.median(run["round_cpu_seconds"][1:ROUNDS]),
        "resident_bytes_after_setup": lambda run: float(run["resident_bytes"][1]),
        f"resident_bytes_after_{ROUNDS}_rounds": lambda run: float(run["resident_bytes"][1 + ROUNDS]),
        "resident_bytes_beyond_imports": lambda run: float(run["resident_bytes"][1 + ROUNDS] - run["resident_bytes"][0]),
        "peak_bytes": lambda run: float(run["peak_bytes"]),
    }
    values: dict[int, dict[str, list[float]]] = {clients: {name: [] for name in figures} for clients in populations}
    for repetition in range(repetitions):
        turn = repetition % len(populations)
        for clients in [*populations[turn:], *populations[:turn]]:
            run = run_apart("--one", str(clients))
            for name, figure in figures.items():
                values[clients][name].append(figure(run))
            last = {name: found[-1] for name, found in values[clients].items()}
            print(json.dumps({"repetition": repetition, "clients": clients, **last}), file=sys.stderr, flush=True)
    first = values[populations[0]]
    return {
        str(clients): {
            name: summary(found) | {"to_first": summary([a / b for a, b in zip(found, first[name], strict=True)])}
            for name, found in values[clients].items()
        }
        for clients in populations
    }


def measure_slope(rounds: int) -> dict[str, Any]:
    """Least squares over blocks' mean resident bytes after the warm-up, with the 95 % interval of the slope."""
    resident = np.array(run_apart("--one-slope", "--rounds", str(rounds))["resident_bytes"][2:], dtype=np.float64)
    blocks = (len(resident) - WARM_UP) // BLOCK
    means = resident[-blocks * BLOCK :].reshape(blocks, BLOCK).mean(axis=1)
    found = fit(range(0, blocks * BLOCK, BLOCK), means.tolist())
    return {
        "rounds": rounds,
        "blocks": blocks,
        "bytes_per_round": found["slope"],
        "low": found["low"],
        "high": found["high"],
        "resident_bytes": {str(round): resident[round - 1] for round in (1, WARM_UP, rounds // 2, rounds)},
    }


def measure_paper(local_steps: int) -> dict[str, Any]:
    """Peak memory of one round and its evaluation."""
    run = run_apart("--one-paper", "--local-steps", str(local_steps))
    return {
        "local_steps": local_steps,
        "setup_seconds": run["setup_seconds"],
        "round_seconds": run["round_seconds"][0],
        "uploaded_bytes": run["bytes_up"],
        "resident_bytes_after_setup": run["resident_bytes"][1],
        "peak_bytes_by_kernel": run["peak_bytes"],
        "peak_bytes_all_processes": run["tree_peak_bytes"],
        "peak_gib": max(run["peak_bytes"], run["tree_peak_bytes"]) / 2**30,
    }


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--slope", action="store_true")
    what.add_argument("--paper", action="store_true")
    for name in ("--one-slope", "--one-paper"):
        what.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    what.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--populations", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=5_000, help="of --slope")
    parser.add_argument("--local-steps", type=int, default=2, help="of --paper; the paper's setting has 40")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(run_one(population_spec(options.one))))
    elif options.one_slope:
        print(json.dumps(run_one(slope_spec(options.rounds))))
    elif options.one_paper:
        print(json.dumps(run_one(paper_spec(options.local_steps))))
    else:
        begun = time.time()
        if options.slope:
            figures: dict[str, Any] = {"slope": measure_slope(options.rounds)}
        elif options.paper:
            figures = {"paper": measure_paper(options.local_steps)}
        else:
            figures = {
                "repetitions": options.repetitions,
                "populations": measure_populations(options.populations, options.repetitions),
            }
        figures |= {
            "machine": machine() | {"threads": 1},
            "load": os.getloadavg(),
            "seconds": round(time.time() - begun, 1),
        }
        document = json.dumps(figures, indent=1)
        print(document)
        if options.json is not None:
            options.json.write_text(document + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
