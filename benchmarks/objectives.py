"""Do clients that descend a metric end better on it than clients that go on with cross-entropy?

`python -m benchmarks.objectives` warms experiments/digits-long-tail.yaml up with cross-entropy, forks it at its last round, and
lets every fork train on with another objective. Each arm, mu and rate is one fork. The rate and mu of an arm are those
whose auxiliary head has the best validation macro-F1 (for `zero_one`: accuracy), seed by seed; what is told is the test split.
Records benchmarks/results/objectives.json and prints the table of docs/objectives.md.
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.pairs import machine
from heron_ray.errors import DivergedError
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.simulation.fork import fork
from heron_ray.spec import load_spec
from heron_ray.spec.fork import forked_spec

ROOT: Final = Path(__file__).parent.parent
SPEC: Final = ROOT / "experiments" / "digits-long-tail.yaml"
RESULTS: Final = ROOT / "benchmarks" / "results" / "objectives.json"
SEEDS: Final = 3
MORE_ROUNDS: Final = 200

ARMS: Final[Mapping[str, Sequence[float]]] = {"cross_entropy": (1e-3, 0.3), "zero_one": (0.3, 1.0), "macro_f1": (0.3, 1.0)}
"""Objective of the clients, and the perturbation scales that are tried."""

RATES: Final = (0.01, 0.03, 0.1)
"""Of the clients' optimizer."""

CHOSEN_BY: Final[Mapping[str, str]] = {
    "cross_entropy": "auxiliary_validation_macro_f1",
    "zero_one": "auxiliary_validation_accuracy",
    "macro_f1": "auxiliary_validation_macro_f1",
}
"""The series that decides between an arm's settings."""

TOLD: Final = ("auxiliary_test_macro_f1", "auxiliary_test_accuracy", "test_macro_f1", "test_accuracy")


def run_seed(seed: int) -> dict[str, Any]:
    """Warm up, fork into every setting, and keep the best of each arm.

    Returns:
        For `warm-up` and every arm: the last round's metrics, and for an arm the mu and rate that were chosen.
    """
    parent, _ = load_spec(SPEC, [f"seed={seed}"])
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, LocalExecutor() as executor:
        checkpointer, sink = Checkpointer(folder), ListSink()
        Simulation(parent, executor, sink=sink, checkpointer=checkpointer).run()
        found["warm-up"] = _last(sink)
        state = checkpointer.load(checkpointer.paths()[0])
        for arm, scales in ARMS.items():
            for mu, rate in itertools.product(scales, RATES):
                child = forked_spec(
                    parent,
                    [
                        ("rounds", parent.rounds + MORE_ROUNDS),
                        ("method.objective", arm),
                        ("method.zeroth_order.mu", mu),
                        ("method.client_optimizer.lr", rate),
                    ],
                    after_round=parent.rounds,
                )
                sink = ListSink()
                try:
                    Simulation(child, executor, sink=sink, start_from=fork(state, parent, child)).run()
                except DivergedError:
                    continue
                ended = {**_last(sink), "mu": mu, "rate": rate}
                if arm not in found or ended[CHOSEN_BY[arm]] > found[arm][CHOSEN_BY[arm]]:
                    found[arm] = ended
    return found


def _last(sink: ListSink) -> dict[str, float]:
    metrics = [event.metrics for event in sink.events if isinstance(event, RoundFinished)][-1]
    return {name: round(metrics[name], 4) for name in (*TOLD, *dict.fromkeys(CHOSEN_BY.values()))}


def table(seeds: Mapping[str, Mapping[str, Any]]) -> str:
    """Arms down: means over seeds of the told figures, and how much more than `cross_entropy` the same seeds gave."""
    lines = [f"| clients descend | {' | '.join(TOLD)} |", f"|---|{'---:|' * len(TOLD)}"]
    for arm in ("warm-up", *ARMS):
        cells = []
        for name in TOLD:
            values = [one[arm][name] for one in seeds.values()]
            cell = f"{statistics.mean(values):.3f}"
            if arm not in ("warm-up", "cross_entropy"):
                more = [one[arm][name] - one["cross_entropy"][name] for one in seeds.values()]
                cell += f" ({statistics.mean(more):+.3f}; {min(more):+.3f} to {max(more):+.3f})"
            cells.append(cell)
        lines.append(f"| `{arm}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run all seeds, record and print them."""
    seeds: dict[str, Any] = {}
    for seed in range(SEEDS):
        seeds[str(seed)] = run_seed(seed)
        print(json.dumps({seed: seeds[str(seed)]}), flush=True)
    head = {"command": "python -m benchmarks.objectives", "machine": machine(), "more_rounds": MORE_ROUNDS, "rates": RATES}
    RESULTS.write_text(json.dumps({**head, "arms": ARMS, "seeds": seeds}, indent=1) + "\n", encoding="utf-8")
    print(table(seeds))


if __name__ == "__main__":
    main()
