"""Fine-tuning a language model by five methods: perplexity against bytes.

`python -m benchmarks.language` runs experiments/gpt2/e2e-heron.yaml with each method, prints a curve per method and, with
--json, records them. The folder that HERON_DATA_DIR names holds E2E NLG and the warmed model; docs/language.md says how both
come there.
"""

from __future__ import annotations

import argparse
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
SPEC: Final = ROOT / "experiments" / "gpt2" / "e2e-heron.yaml"

ROWS: Final[Mapping[str, Sequence[str]]] = {
    "heron": [],
    "split_lora": ["method.kind=split_lora"],
    "cse_fsl": ["method.kind=cse_fsl"],
    "fsl_sage": ["method.kind=fsl_sage", "method.alignment={every: 10, samples: 32, epochs: 10}"],
    "frozen_client": ["method.kind=frozen_client"],
}
"""Methods, and what turns the base spec into theirs."""


def measure(row: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Run one method; its perplexities at every evaluation, with the bytes that all clients sent and were sent until then."""
    given = [*ROWS[row], *overrides]
    spec, _ = load_spec(SPEC, given)
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
        "overrides": given,
        "curve": curve,
        "client_macs_per_step": result.costs.client_macs_per_step,
        "client_peak_bytes": result.costs.client_peak_bytes,
        "processor_seconds": round(time.process_time() - begun, 1),
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Rounds down, methods across: MiB sent both ways and, after it, the test perplexity of the whole model."""
    rounds = [point["round"] for point in next(iter(results.values()))["curve"]]
    lines = [f"| round | {' | '.join(f'`{row}`' for row in results)} |", f"|---:|{'---:|' * len(results)}"]
    for place, round in enumerate(rounds):
        points = [one["curve"][place] for one in results.values()]
        cells = [f"{point['bytes'] / 2**20:.1f} MiB: {point['test_perplexity']:.3f}" for point in points]
        lines.append(f"| {round} | {' | '.join(cells)} |")
    costs = [f"{one['client_macs_per_step'] / 1e9:.2f} / {one['client_peak_bytes'] / 2**20:.1f}" for one in results.values()]
    lines.append(f"| GMAC per step / peak MiB | {' | '.join(costs)} |")
    return "\n".join(lines)


def main() -> None:
    """Run all rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change the base spec")
    parser.add_argument("--only", choices=list(ROWS), help="one method")
    parser.add_argument("--json", type=Path, metavar="FILE", help="record the figures")
    options = parser.parse_args()
    results = {}
    for row in [options.only] if options.only else ROWS:
        results[row] = measure(row, options.set)
        print(json.dumps({row: results[row]}), flush=True)
        if options.json is not None:
            options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
