"""What each aggregation rule and pre-aggregator costs at a large cohort: seconds and memory.

Each runs in a process of its own, on updates drawn from a seed: n - f around a common one, f far away in a common direction.
Peak memory is the process's largest resident set while it joins, less what it held before (the updates included).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import TypeAdapter

from benchmarks.pairs import machine
from heron_ray.federation import make_rule
from heron_ray.seeds import generator
from heron_ray.spec.aggregation import AggregationSpec

FEW: Final = 20
"""The f of rules whose search grows with it."""


def sections(n: int, f: int) -> dict[str, dict[str, Any]]:
    """What is measured, by name."""
    rules: dict[str, dict[str, Any]] = {
        "mean": {},
        "norm_bounding": {"max_norm": 100.0},
        "median": {},
        "trimmed_mean": {"f": f},
        "meamed": {"f": f},
        "geometric_median": {},
        "centered_clipping": {},
        "monna": {"f": f},
        "krum": {"f": f, "m": n - f},
        "mda": {"f": min(f, FEW)},
        "dnc": {"f": f},
        "sign_guard": {},
        "clipped_clustering": {},
        "fools_gold": {},
        "caf": {"f": f},
        "bulyan": {"f": f},
    }
    steps = {"nnm": {"f": f}, "bucketing": {"s": 2}, "static_clipping": {"c": 100.0}, "arc": {"f": f}}
    named = {name: {"kind": name, **fields} for name, fields in rules.items()}
    return named | {f"{name}, mean": {"kind": "mean", "before": [{"kind": name, **fields}]} for name, fields in steps.items()}


def updates(n: int, parameters: int, f: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Updates [n, P]."""
    draw = generator(0)
    drawn = draw.standard_normal((n, parameters), dtype=np.float32)
    drawn += draw.standard_normal(parameters, dtype=np.float32)
    drawn[n - f :] += 3 * draw.standard_normal(parameters, dtype=np.float32)
    return drawn


def measure(section: Mapping[str, Any], n: int, parameters: int, f: int, threads: int) -> dict[str, float]:
    """Seconds of one round, and the memory it took on top."""
    torch.set_num_threads(threads)
    rule = make_rule(TypeAdapter(AggregationSpec).validate_json(json.dumps(section)))
    cohort = updates(n, parameters, f)
    before = _peak_bytes()
    start = time.perf_counter()
    for client, update in enumerate(cohort):
        rule.add(update, 1, client)
    rule.result(generator(1))
    return {"seconds": round(time.perf_counter() - start, 2), "more_mib": round((_peak_bytes() - before) / 2**20)}


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Print one JSON line per rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--parameters", type=int, default=100_000)
    parser.add_argument("--f", type=int, default=200, help="mda takes at most 20")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these rules; a pre-aggregator is 'nnm, mean'")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    n, parameters, f, threads = options.clients, options.parameters, options.f, options.threads
    head = {"configuration": {"clients": n, "parameters": parameters, "f": f, "threads": threads}, "machine": machine()}
    print(json.dumps(head), flush=True)
    figures = []
    for name, section in sections(n, f).items():
        if options.only and name not in options.only:
            continue
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(measure, (section, n, parameters, section.get("f", f), threads))
        figures.append({"name": name, "section": section, **found})
        print(json.dumps(figures[-1]), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps({**head, "figures": figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
