"""A thousand unlike clients: virtual time and energy to an accuracy, bytes, and who is left out, method by method.

`python -m benchmarks.edge` runs experiments/edge/digits.yaml with each method and seed, records figures and curves in
benchmarks/results/edge.json and prints the table of docs/edge.md; `--figure FILE.svg` draws what is recorded and runs nothing.
Nothing in it but `processor_seconds` depends on this machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.pairs import machine
from heron_ray.errors import DivergedError
from heron_ray.figures import Curve, Run, for_paper, overlay, write_images
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import load_spec

ROOT: Final = Path(__file__).parent.parent
RESULTS: Final = Path(__file__).parent / "results" / "edge.json"
TARGET: Final = 0.8

ROWS: Final[Mapping[str, Sequence[str]]] = {
    "heron": [],
    "cse_fsl": ["method.kind=cse_fsl", "method.client_optimizer.lr=0.2", "method.server_optimizer.lr=0.05"],
    "sflv2": ["method.kind=sflv2", "method.client_optimizer.lr=0.05", "method.server_optimizer.lr=0.05"],
    "fedavg": ["method.kind=fedavg", "method.client_optimizer.lr=0.2"],
}
"""Methods, and what turns the base spec into theirs. Rates: of two to seven, by validation accuracy."""


SEEDS: Final = 3
"""Seeds 0, 1, ... of each method."""

SUMS: Final = ("energy_j", "bytes_up", "bytes_down")
"""Series of each round that add up."""


def measure(row: str, seed: int) -> dict[str, Any]:
    """Run one method to its last round.

    Returns:
        The figures up to the first evaluation that shows `TARGET` on the validation split (None: none does), and the curve of
        that accuracy.
    """
    spec, _ = load_spec(ROOT / "experiments" / "edge" / "digits.yaml", [*ROWS[row], f"seed={seed}"])
    sink, begun = ListSink(), time.process_time()
    try:
        with LocalExecutor() as executor:
            result = Simulation(spec, executor, sink=sink).run()
    except DivergedError as error:
        return {"diverged_in_round": error.round}
    rounds = [event.metrics for event in sink.events if isinstance(event, RoundFinished)]
    assert result.edge is not None
    curve: list[dict[str, Any]] = [
        {"round": number, "simulated_time_s": one["simulated_time_s"], "validation_accuracy": one["validation_accuracy"]}
        for number, one in enumerate(rounds, 1)
        if "validation_accuracy" in one
    ]
    reached = next((one["round"] for one in curve if one["validation_accuracy"] >= TARGET), None)
    until = rounds[:reached] if reached else []
    return {
        "test_accuracy": result.test_accuracy,
        "clients_excluded": result.edge["clients_excluded"],
        "client_peak_bytes": result.costs.client_peak_bytes,
        "rounds_to_target": reached,
        "simulated_s_to_target": until[-1]["simulated_time_s"] if until else None,
        "seconds_per_round": result.edge["simulated_time_s"] / result.rounds,
        **{f"{name}_to_target": sum(one[name] for one in until) if until else None for name in SUMS},
        "processor_seconds": round(time.process_time() - begun, 1),
        "curve": curve,
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The rows as a Markdown table: means over seeds, with the lowest and highest of what differs between them."""
    lines = [
        "| method | client peak, KiB | excluded | test accuracy | rounds to .80 | virtual s | s per round | clients' J "
        "| MiB up | MiB down |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row, one in results.items():
        seeds = list(one["seeds"].values())
        cells = [
            f"`{row}`",
            _told(seeds, "client_peak_bytes", lambda value: f"{value / 1024:.1f}"),
            _told(seeds, "clients_excluded", lambda value: f"{value:.0f}"),
            _told(seeds, "test_accuracy", lambda value: f"{value:.3f}"),
            _told(seeds, "rounds_to_target", lambda value: f"{value:.0f}"),
            _told(seeds, "simulated_s_to_target", lambda value: f"{value:.1f}"),
            _told(seeds, "seconds_per_round", lambda value: f"{value:.3f}"),
            _told(seeds, "energy_j_to_target", lambda value: f"{value:.1f}"),
            _told(seeds, "bytes_up_to_target", lambda value: f"{value / 2**20:.1f}"),
            _told(seeds, "bytes_down_to_target", lambda value: f"{value / 2**20:.1f}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _told(seeds: Sequence[Mapping[str, Any]], name: str, tell: Callable[[float], str]) -> str:
    values = [seed.get(name) for seed in seeds]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return f"— ({len(values) - len(known)} of {len(values)} never)"
    mean, low, high = tell(statistics.mean(known)), tell(min(known)), tell(max(known))
    return mean if low == high else f"{mean} ({low}-{high})"


def figure(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Validation accuracy over virtual time, a band over the seeds of each method."""
    runs: list[Run] = []
    for row, one in results.items():
        for seed, found in one["seeds"].items():
            points = found.get("curve", [])
            accuracies, times = _curve(points, "validation_accuracy"), _curve(points, "simulated_time_s")
            runs.append({"label": f"{row}, seed {seed}", "group": row, "curve": accuracies, "places": times})
    return overlay(runs, series="validation_accuracy", x="simulated_time")


def _curve(points: Sequence[Mapping[str, Any]], name: str) -> Curve:
    return Curve(rounds=[point["round"] for point in points], values=[point[name] for point in points])


def main() -> None:
    """Run all rows, record and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="draw what is recorded; run nothing")
    options = parser.parse_args()
    if options.figure is not None:
        recorded = json.loads(RESULTS.read_text(encoding="utf-8"))
        write_images({options.figure: for_paper(figure(recorded["rows"]))})
        return
    rows: dict[str, Any] = {}
    for row, overrides in ROWS.items():
        rows[row] = {"overrides": list(overrides), "seeds": {}}
        for seed in range(SEEDS):
            rows[row]["seeds"][str(seed)] = found = measure(row, seed)
            print(json.dumps({"row": row, "seed": seed, **found, "curve": None}), flush=True)
    head = {"command": "python -m benchmarks.edge", "machine": machine(), "target": TARGET}
    RESULTS.write_text(json.dumps({**head, "rows": rows}) + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
