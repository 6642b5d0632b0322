"""What a sign-flip attack does to auxiliary and server accuracy on digits under each aggregation rule, beside no attack.

For every method, partition and rule: the mean over seeds, without and with the attack. A run that diverged has no accuracy
and counts as guessing, 0.1.
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
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import load_spec

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
PARTITIONS = {"dirichlet 0.5": "partition={kind: dirichlet, alpha: 0.5}", "iid": "partition={kind: iid}"}
GUESSING = 0.1


def rules(f: int, clients: int) -> dict[str, str]:
    """Rule by name, told the true number of Byzantine clients."""
    return {
        "mean": "{kind: mean}",
        "median": "{kind: median}",
        f"trimmed_mean f={f}": f"{{kind: trimmed_mean, f: {f}}}",
        f"krum f={f}": f"{{kind: krum, f: {f}}}",
        f"krum f={f} m={clients - f}": f"{{kind: krum, f: {f}, m: {clients - f}}}",
    }


def measure(method: str, overrides: Sequence[str]) -> dict[str, float]:
    """Run one experiment on the local executor."""
    spec, _ = load_spec(EXPERIMENTS / f"digits-{method}.yaml", overrides)
    with LocalExecutor() as executor:
        try:
            result = Simulation(spec, executor).run()
        except DivergedError:
            return {"auxiliary": GUESSING, "server": GUESSING, "diverged": 1.0}
    return {"auxiliary": result.auxiliary_accuracy, "server": result.test_accuracy, "diverged": 0.0}


def summarise(runs: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Means over seeds; `auxiliary_range` is the lowest and the highest."""
    auxiliary = [run["auxiliary"] for run in runs]
    return {
        "auxiliary": round(statistics.mean(auxiliary), 3),
        "auxiliary_range": [round(min(auxiliary), 3), round(max(auxiliary), 3)],
        "server": round(statistics.mean(run["server"] for run in runs), 3),
        "diverged": int(sum(run["diverged"] for run in runs)),
    }


def main() -> None:
    """Print one JSON line per configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--byzantine", type=int, default=2, help="of 10 clients; also the f of the rules")
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--methods", nargs="+", default=["cse_fsl", "heron"])
    parser.add_argument("--partitions", nargs="+", choices=list(PARTITIONS), default=list(PARTITIONS))
    options = parser.parse_args()
    print(json.dumps({**vars(options), "machine": platform.processor() or platform.machine()}), flush=True)
    flip = f"attack={{kind: sign_flip, byzantine: {options.byzantine}, scale: {options.scale}}}"
    for method in options.methods:
        for partition in options.partitions:
            for rule, section in rules(options.byzantine, 10).items():
                for attack in ("attack=null", flip):
                    shared = [f"rounds={options.rounds}", PARTITIONS[partition], f"aggregation={section}", attack]
                    runs = [measure(method, [*shared, f"seed={seed}"]) for seed in range(options.seeds)]
                    line = {"method": method, "partition": partition, "rule": rule, "attacked": attack == flip}
                    print(json.dumps({**line, **summarise(runs)}), flush=True)


if __name__ == "__main__":
    main()
