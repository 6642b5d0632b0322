"""What kappa is along HERON's own runs: the effective rank of the client loss's Hessian, during training.

`python -m benchmarks.kappa` runs three of the shipped experiments with `evaluation.spectrum`, records the series and the
density before the first and after the last round in benchmarks/results/kappa.json, and prints the table of docs/landscape.md.
With `--figure FILE.svg` it draws the recorded densities and runs nothing. The folder that HERON_DATA_DIR names holds
CIFAR-10, E2E NLG and the warmed model of docs/language.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.pairs import machine
from heron_ray.figures import for_paper, spectral_density, write_images
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, Simulation
from heron_ray.simulation.curvature import spectrum_at
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import load_spec

EXPERIMENTS: Final = Path(__file__).parent.parent / "experiments"
RESULTS: Final = Path(__file__).parent / "results" / "kappa.json"
SERIES: Final = ("client_effective_rank", "client_hessian_norm", "client_hessian_trace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An experiment, its overrides, and the section `evaluation.spectrum`."""

    spec: str
    spectrum: str
    overrides: Sequence[str] = ()


CASES: Final[Mapping[str, Case]] = {
    "digits": Case(spec="digits-heron.yaml", overrides=("evaluation.every=20",), spectrum="{every: 20}"),
    "resnet18": Case(
        spec="methods/cifar10.yaml", overrides=("rounds=100", "evaluation.every=10"), spectrum="{every: 10, samples: 128}"
    ),
    "gpt2": Case(
        spec="gpt2/e2e-heron.yaml",
        overrides=("rounds=10", "evaluation.every=5", "data.test_samples=50"),
        spectrum="{every: 5, samples: 8, probes: 4, lanczos_steps: 12}",
    ),
}


def measure(name: str) -> dict[str, Any]:
    """Run one experiment to its end: its series, and both densities."""
    case = CASES[name]
    given = [*case.overrides, f"evaluation.spectrum={case.spectrum}"]
    spec, _ = load_spec(EXPERIMENTS / case.spec, given)
    options = spec.evaluation.spectrum
    assert options is not None
    begun, sink = time.process_time(), ListSink()
    with tempfile.TemporaryDirectory() as folder:
        checkpointer = Checkpointer(folder)
        with LocalExecutor() as executor:
            result = Simulation(spec, executor, sink=sink, checkpointer=checkpointer).run()
        ends = {
            0: spectrum_at(spec, None, options),
            spec.rounds: spectrum_at(spec, checkpointer.load(checkpointer.paths()[0]), options),
        }
    rounds = [(event.round, event.metrics) for event in sink.events if isinstance(event, RoundFinished)]
    return {
        "spec": case.spec,
        "overrides": given,
        "client_parameters": ends[0].size,
        "test_accuracy": result.test_accuracy,
        "initial": {"effective_rank": ends[0].effective_rank, "norm": ends[0].norm, "trace": ends[0].trace},
        "series": [
            {"round": round, **{one: metrics[one] for one in SERIES}} for round, metrics in rounds if SERIES[0] in metrics
        ],
        "densities": {
            f"after round {round}": {"nodes": found.nodes, "weights": found.weights} for round, found in ends.items()
        },
        "processor_seconds": round(time.process_time() - begun, 1),
    }


def table(cases: Mapping[str, Mapping[str, Any]]) -> str:
    """One row per run: d, kappa before it, along it and after it, and the norm."""
    lines = [
        "| run | d | kappa, initial | along the run: lowest to highest | after the last round | norm, initial | norm, last |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, one in cases.items():
        ranks = [point["client_effective_rank"] for point in one["series"]]
        last = one["series"][-1]
        cells = [f"{one['initial']['effective_rank']:.1f}", f"{min(ranks):.1f} to {max(ranks):.1f}", f"{ranks[-1]:.1f}"]
        norms = [f"{one['initial']['norm']:.3g}", f"{last['client_hessian_norm']:.3g}"]
        lines.append(f"| {' | '.join([f'`{name}`', format(one['client_parameters'], ','), *cells, *norms])} |")
    return "\n".join(lines)


def main() -> None:
    """Run and record what was asked for, or draw what is recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="draw one recorded run's densities; run nothing")
    options = parser.parse_args()
    recorded = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"cases": {}}
    if options.figure is not None:
        spectra = {
            f"{name}, {when}": (density["nodes"], density["weights"])
            for name in options.only
            for when, density in recorded["cases"][name]["densities"].items()
        }
        write_images({options.figure: for_paper(spectral_density(spectra))})
        return
    torch.set_num_threads(1)
    for name in options.only:
        recorded["cases"][name] = {**measure(name), "machine": machine()}
        RESULTS.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
    print(table(recorded["cases"]))


if __name__ == "__main__":
    main()
