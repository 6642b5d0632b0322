"""Fine-tuning a language model: perplexity against bytes by five methods, and the size of the auxiliary head.

`python -m benchmarks.language` runs experiments/gpt2/e2e-heron.yaml with each method, and HERON and CSE-FSL with auxiliary
heads of no to three blocks, records every curve in benchmarks/results/language.json as it comes and prints both tables. What
is recorded with the present settings is not run again. The folder that HERON_DATA_DIR names holds E2E NLG and the warmed
model; docs/language.md says how both come there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.pairs import commit, machine
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import load_spec

ROOT: Final = Path(__file__).parent.parent
SPEC: Final = ROOT / "experiments" / "gpt2" / "e2e-heron.yaml"

RESULTS: Final = Path(__file__).parent / "results" / "language.json"

METHODS: Final[Mapping[str, Sequence[str]]] = {
    "heron": [],
    "split_lora": ["method.kind=split_lora"],
    "cse_fsl": ["method.kind=cse_fsl"],
    "fsl_sage": ["method.kind=fsl_sage", "method.alignment={every: 10, samples: 32, epochs: 10}"],
    "frozen_client": ["method.kind=frozen_client"],
}
"""What turns the base spec into a method's."""

SIZES: Final = range(4)
"""Blocks of the auxiliary head; the main server of the spec has three, and so has the largest head."""

SIZED: Final = ("heron", "cse_fsl")
ROUNDS_SIZED: Final = 15

ROWS: Final[Mapping[str, Sequence[str]]] = {
    **METHODS,
    **{
        f"{method}, {blocks} blocks": [*METHODS[method], f"model.auxiliary.blocks={blocks}", f"rounds={ROUNDS_SIZED}"]
        for blocks in SIZES
        for method in SIZED
    },
}


def measure(row: str) -> dict[str, Any]:
    """Run one row; its perplexities at every evaluation, with the bytes that all clients sent and were sent until then."""
    spec, _ = load_spec(SPEC, ROWS[row])
    sink, begun = ListSink(), time.process_time()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink).run()
    sent, curve = 0, []
    for event in sink.events:
        if not isinstance(event, RoundFinished):
            continue
        sent += int(event.metrics["bytes_up"] + event.metrics["bytes_down"])
        if "test_perplexity" in event.metrics:
            figures = {name: event.metrics[name] for name in ("test_perplexity", "auxiliary_test_perplexity")}
            curve.append({"round": event.round, "bytes": sent, **figures})
    return {
        "commit": commit(),
        "overrides": list(ROWS[row]),
        "curve": curve,
        "client_macs_per_step": result.costs.client_macs_per_step,
        "client_peak_bytes": result.costs.client_peak_bytes,
        "processor_seconds": round(time.process_time() - begun, 1),
    }


def methods_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Rounds down, methods across: MiB sent both ways, and the test perplexity of the whole model."""
    found = {method: rows[method] for method in METHODS}
    lines = [f"| round | {' | '.join(f'`{method}`' for method in found)} |", f"|---:|{'---:|' * len(found)}"]
    for points in zip(*(one["curve"] for one in found.values()), strict=True):
        cells = [f"{point['bytes'] / 2**20:.0f} MiB: {point['test_perplexity']:.3f}" for point in points]
        lines.append(f"| {points[0]['round']} | {' | '.join(cells)} |")
    costs = [f"{one['client_macs_per_step'] / 1e9:.2f} / {one['client_peak_bytes'] / 2**20:.1f}" for one in found.values()]
    lines.append(f"| GMAC a step / peak MiB | {' | '.join(costs)} |")
    return "\n".join(lines)


def sizes_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Blocks down: the last test perplexities of the whole model and through the auxiliary head, and what a client costs."""
    told = "main server / auxiliary head; GMAC a step, peak MiB"
    lines = [f"| blocks | {' | '.join(f'`{method}`: {told}' for method in SIZED)} |", f"|---:|{'---|' * len(SIZED)}"]
    for blocks in SIZES:
        cells = []
        for method in SIZED:
            row = rows[f"{method}, {blocks} blocks"]
            last = row["curve"][-1]
            perplexities = f"{last['test_perplexity']:.3f} / {last['auxiliary_test_perplexity']:.3f}"
            cells.append(f"{perplexities}; {row['client_macs_per_step'] / 1e9:.2f}, {row['client_peak_bytes'] / 2**20:.1f}")
        lines.append(f"| {blocks} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is not recorded yet, record it row by row, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(ROWS), metavar="ROW", help=f"run one row again: {', '.join(ROWS)}")
    options = parser.parse_args()
    rows: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else {}
    for row in ROWS:
        is_due = row == options.only if options.only else rows.get(row, {}).get("overrides") != ROWS[row]
        if not is_due:
            continue
        rows[row] = measure(row)
        print(json.dumps({row: rows[row]}), flush=True)
        head = {"command": "python -m benchmarks.language", "machine": machine()}
        RESULTS.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    if rows.keys() >= ROWS.keys():
        print(f"{methods_table(rows)}\n\n{sizes_table(rows)}")


if __name__ == "__main__":
    main()
