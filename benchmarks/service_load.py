"""The service under load: submissions, ingest, watchers, pages, idempotency, memory, a browser; an API over a real database.

python -m benchmarks.service_load --database postgresql --json benchmarks/results/service_load-postgresql.json
python -m benchmarks.service_load --only submissions watchers --seconds 5
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.pairs import machine
from benchmarks.service import measuring
from benchmarks.service.browsing import browsing
from benchmarks.service.measuring import Measure
from benchmarks.service.served import Served, serve

PARTS: Mapping[str, Callable[[Served, str, float], Iterator[Measure]]] = MappingProxyType(
    {
        "submissions": measuring.submissions,
        "ingest": measuring.ingest,
        "watchers": measuring.watchers,
        "idempotency": measuring.idempotency,
        "memory": measuring.memory,
        "pages": measuring.pages,
        "browsing": browsing,
    }
)
# What each part takes where nothing is said: the schedule of the submissions, each figure of the others.
SECONDS: Mapping[str, float] = MappingProxyType(
    {"submissions": 60, "ingest": 10, "watchers": 15, "idempotency": 0, "memory": 60, "pages": 5, "browsing": 0}
)


def measure(kind: str, part: str, seconds: float) -> dict[str, Any]:
    """Run one part over a fresh database, printing as it goes; what is written of it."""
    before = os.getloadavg()[0]
    with serve(kind) as served:
        found = []
        for one in PARTS[part](served, kind, seconds):
            found.append({**asdict(one), "verdict": one.verdict})
            print(one.line(), flush=True)
    load = {"load_before": round(before, 2), "load_after": round(os.getloadavg()[0], 2)}
    print(json.dumps(load), flush=True)
    return {"seconds": seconds, **load, "measures": found}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, help="for each part, in place of its own duration")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there; parts that are there already stay")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"parts": {}}
    if arguments.json is not None and arguments.json.exists():
        report = json.loads(arguments.json.read_text(encoding="utf-8"))
    for part in arguments.only:
        print(f"{part}, {arguments.database}: {json.dumps(machine())}", flush=True)
        seconds = SECONDS[part] if arguments.seconds is None else arguments.seconds
        measured = measure(arguments.database, part, seconds)
        report["parts"][part] = {"database": arguments.database, "machine": machine(), **measured}
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
