"""What dividing a million samples over 100,000 clients costs: seconds and peak memory of every partitioner, and of its report.

    python -m benchmarks.partitioners                     prints a Markdown table
    python -m benchmarks.partitioners --samples 10000000  more of everything

Peak memory is what numpy and Python allocated beyond the labels, at most at any time (tracemalloc, in a run of its own: it
slows allocation down). Seconds are CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from heron_ray.data.partition import partition
from heron_ray.data.report import partition_report
from heron_ray.errors import DataError
from heron_ray.spec.partition import PartitionSpec

CLASSES = 10
LAWS: dict[str, dict[str, Any]] = {
    "iid": {"kind": "iid"},
    "dirichlet, per_class": {"kind": "dirichlet", "alpha": 100.0, "minimum": 1},
    "dirichlet, balanced": {"kind": "dirichlet", "alpha": 100.0, "law": "balanced", "minimum": 1},
    "dirichlet, per_client": {"kind": "dirichlet", "alpha": 0.5, "law": "per_client"},
    "shards": {"kind": "shards"},
    "pathological": {"kind": "pathological"},
    "label_quantity": {"kind": "label_quantity"},
    "quantity, log_normal": {"kind": "quantity", "sizes": {"kind": "log_normal"}},
    "quantity, linear": {"kind": "quantity", "sizes": {"kind": "linear"}},
    "quantity, square": {"kind": "quantity", "sizes": {"kind": "square"}},
    "quantity, exponential": {"kind": "quantity", "sizes": {"kind": "exponential", "rate": 1e-4}},
    "quantity, dirichlet": {"kind": "quantity", "sizes": {"kind": "dirichlet"}},
    "gamma_similarity": {"kind": "gamma_similarity", "gamma": 0.5},
    "extreme": {"kind": "extreme"},
    "natural": {"kind": "natural"},
    "mixed": {
        "kind": "mixed",
        "parts": [
            {"share": 0.5, "partition": {"kind": "iid"}},
            {"share": 0.5, "partition": {"kind": "pathological"}},
        ],
    },
    "feature": {"kind": "feature", "transform": {"kind": "noise"}},
}


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(law: dict[str, Any], samples: int, clients: int) -> str:
    """One row of the table after its name."""
    spec = TypeAdapter(PartitionSpec).validate_json(json.dumps(law))
    labels = np.random.default_rng(0).permutation(np.arange(samples) % CLASSES)
    makers = np.arange(samples) % clients
    seconds = cpu_seconds(lambda: partition(spec, labels, clients, 0, makers))
    tracemalloc.start()
    shards = partition(spec, labels, clients, 0, makers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sizes = shards.sizes
    report = cpu_seconds(lambda: partition_report(shards, labels, CLASSES))
    return f"{seconds:.2f} | {report:.2f} | {peak / 2**20:.0f} MiB | {sizes.min()} / {int(np.median(sizes))} / {sizes.max()}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=100_000)
    options = parser.parse_args()
    print("| partitioner | divide, s | report, s | peak | least / median / most samples |\n|---|---|---|---|---|")
    for name, law in LAWS.items():
        try:
            print(f"| {name} | {measure(law, options.samples, options.clients)} |", flush=True)
        except DataError as error:
            print(f"| {name} | {error.message} | | | |", flush=True)


if __name__ == "__main__":
    main()
