"""The three digits experiments over several seeds: test and auxiliary accuracy, validation accuracy, seconds.

The rates in the experiment files were chosen by the mean validation accuracy of these seeds; `--tune` repeats that search.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from pathlib import Path
from typing import Any

from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import load_spec

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
RATES = {
    "heron": [(client, server) for client in (0.02, 0.03, 0.04) for server in (0.1, 0.3)],
    "cse_fsl": [(client, server) for client in (0.03, 0.1, 0.3) for server in (0.1, 0.3)],
    "frozen_client": [(None, server) for server in (0.03, 0.1, 0.3, 0.6, 1.0)],
}


def measure(method: str, seed: int, *overrides: str) -> dict[str, Any]:
    """Run one experiment on the local executor; the keys of `heron run --json`."""
    spec, _ = load_spec(EXPERIMENTS / f"digits-{method}.yaml", [f"seed={seed}", *overrides])
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run().to_dict()


def summarise(results: list[dict[str, Any]]) -> dict[str, float]:
    """Means over seeds."""
    keys = ("test_accuracy", "auxiliary_accuracy", "validation_accuracy", "wall_seconds")
    return {key: round(statistics.mean(result[key] for result in results), 4) for key in keys}


def main() -> None:
    """Print one JSON line per configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tune", action="store_true", help="try every pair of rates")
    options = parser.parse_args()
    print(json.dumps({"machine": platform.processor() or platform.machine(), "python": platform.python_version()}))
    for method, rates in RATES.items():
        for client, server in rates if options.tune else [(None, None)]:
            overrides = [f"method.server_optimizer.lr={server}"] if server else []
            overrides += [f"method.client_optimizer.lr={client}"] if client else []
            results = [measure(method, seed, *overrides) for seed in range(options.seeds)]
            print(json.dumps({"method": method, "overrides": overrides, **summarise(results)}), flush=True)


if __name__ == "__main__":
    main()
