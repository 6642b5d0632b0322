"""Attacks on the smashed path, and on scalars, beside every defence of the main server, on digits.

For every method, attack and defence: the main server's and the auxiliary head's test accuracy, mean over seeds, and how much of
what a filter refused was Byzantine. A run that diverged has no accuracy and counts as guessing, 0.1.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heron_ray.errors import DivergedError
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import load_spec

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
GUESSING = 0.1
CLIENTS, UPLOADS = 10, 5

ATTACKS = {
    "none": "attack=null",
    "sign_flip": "attack={{kind: sign_flip, path: smashed, scale: 5, byzantine: {byzantine}}}",
    "norm_inflation": "attack={{kind: norm_inflation, scale: 20, byzantine: {byzantine}}}",
    "gaussian": "attack={{kind: gaussian, path: smashed, sigma: 5, byzantine: {byzantine}}}",
    "alie": "attack={{kind: alie, path: smashed, tau: 1.5, byzantine: {byzantine}}}",
    "label_flip": "attack={{kind: label_flip, path: smashed, byzantine: {byzantine}}}",
}
DEFENCES = {
    "none": "smashed_defence=null",
    "norm_filter": "smashed_defence={kind: norm_filter}",
    "loss_filter": "smashed_defence={kind: loss_filter}",
    "pooled_updates": "smashed_defence={kind: pooled_updates, rule: {kind: median}}",
}


def measure(method: str, overrides: Sequence[str]) -> dict[str, float]:
    """Run one experiment on the local executor."""
    spec, _ = load_spec(EXPERIMENTS / f"digits-{method}.yaml", overrides)
    sink = ListSink()
    try:
        with LocalExecutor() as executor:
            result = Simulation(spec, executor, sink=sink).run()
        found = {"server": result.test_accuracy, "auxiliary": result.auxiliary_accuracy, "diverged": 0.0}
    except DivergedError:
        found = {"server": GUESSING, "auxiliary": GUESSING, "diverged": 1.0}
    rounds = [event.metrics for event in sink.events if isinstance(event, RoundFinished)]
    total = {
        name: sum(metrics.get(name, 0.0) for metrics in rounds)
        for name in ("uploads_filtered", "byzantine_uploads_filtered", "byzantine_sampled")
    }
    byzantine = total["byzantine_sampled"] * UPLOADS
    honest = len(rounds) * CLIENTS * UPLOADS - byzantine
    refused_honest = total["uploads_filtered"] - total["byzantine_uploads_filtered"]
    return found | {
        "byzantine_filtered": total["byzantine_uploads_filtered"] / byzantine if byzantine else 0.0,
        "honest_filtered": refused_honest / honest if honest else 0.0,
    }


def summarise(runs: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Means over seeds, and the lowest and highest of the server's accuracy."""
    means = {name: round(statistics.mean(run[name] for run in runs), 3) for name in runs[0]}
    server = [run["server"] for run in runs]
    return means | {"server_range": [round(min(server), 3), round(max(server), 3)]}


def main() -> None:
    """Print one JSON line per configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--byzantine", type=int, default=3, help=f"of {CLIENTS} clients")
    parser.add_argument("--methods", nargs="+", default=["cse_fsl", "heron"])
    parser.add_argument("--attacks", nargs="+", choices=list(ATTACKS), default=list(ATTACKS))
    parser.add_argument("--defences", nargs="+", choices=list(DEFENCES), default=list(DEFENCES))
    parser.add_argument("--set", nargs="*", default=[], help="overrides of every run")
    options = parser.parse_args()
    print(json.dumps({**vars(options), "machine": platform.processor() or platform.machine()}), flush=True)
    every = [f"rounds={options.rounds}", f"evaluation.every={options.rounds}", *options.set]
    for method in options.methods:
        for attack in options.attacks:
            for defence in options.defences:
                overrides = [*every, ATTACKS[attack].format(byzantine=options.byzantine), DEFENCES[defence]]
                runs = [measure(method, [*overrides, f"seed={seed}"]) for seed in range(options.seeds)]
                print(json.dumps({"method": method, "attack": attack, "defence": defence, **summarise(runs)}), flush=True)


if __name__ == "__main__":
    main()
