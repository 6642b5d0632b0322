"""A thousand unlike clients: virtual time and energy to an accuracy, bytes, and who is left out, method by method.

`python -m benchmarks.edge` runs experiments/edge/digits.yaml with each method, records the figures in
benchmarks/results/edge.json and prints the table of docs/edge.md. Nothing in it but the last column depends on this machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.pairs import commit
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import load_spec

ROOT: Final = Path(__file__).parent.parent
RESULTS: Final = Path(__file__).parent / "results" / "edge.json"
TARGET: Final = 0.8

ROWS: Final[Mapping[str, Sequence[str]]] = {
    "heron": [],
    "cse_fsl": ["method.kind=cse_fsl"],
    "sflv2": ["method.kind=sflv2"],
    "fedavg": ["method.kind=fedavg", "method.client_optimizer.lr=0.1"],
}
"""Methods, and what turns the base spec into theirs."""


def measure(row: str) -> dict[str, Any]:
    """Run one method to its last round; the figures up to the first evaluation that shows `TARGET` on the validation split."""
    spec, _ = load_spec(ROOT / "experiments" / "edge" / "digits.yaml", ROWS[row])
    sink, begun = ListSink(), time.process_time()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink).run()
    rounds = [event.metrics for event in sink.events if isinstance(event, RoundFinished)]
    assert result.edge is not None
    reached = next((place for place, one in enumerate(rounds, 1) if one.get("validation_accuracy", 0) >= TARGET), None)
    until = rounds[:reached]
    sums = {name: sum(one[name] for one in until) for name in ("energy_j", "bytes_up", "bytes_down")}
    return {
        "command": "python -m benchmarks.edge",
        "commit": commit(),
        "overrides": list(ROWS[row]),
        "test_accuracy": result.test_accuracy,
        "clients_excluded": result.edge["clients_excluded"],
        "client_peak_bytes": result.costs.client_peak_bytes,
        "rounds_to_target": reached,
        "simulated_s_to_target": until[-1]["simulated_time_s"],
        "seconds_per_round": result.edge["simulated_time_s"] / result.rounds,
        **{f"{name}_to_target": value for name, value in sums.items()},
        "processor_seconds": round(time.process_time() - begun, 1),
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| method | client peak, KiB | excluded | test accuracy | rounds to .80 | virtual s | s per round | clients' J "
        "| MiB up | MiB down |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row, one in results.items():
        cells = [
            f"`{row}`",
            f"{one['client_peak_bytes'] / 1024:.1f}",
            str(one["clients_excluded"]),
            f"{one['test_accuracy']:.3f}",
            "—" if one["rounds_to_target"] is None else str(one["rounds_to_target"]),
            f"{one['simulated_s_to_target']:.1f}",
            f"{one['seconds_per_round']:.3f}",
            f"{one['energy_j_to_target']:.1f}",
            f"{one['bytes_up_to_target'] / 2**20:.1f}",
            f"{one['bytes_down_to_target'] / 2**20:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run all rows, record and print them."""
    results = {}
    for row in ROWS:
        results[row] = measure(row)
        print(json.dumps({row: results[row]}), flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
