"""`python -m benchmarks.chaos --database sqlite|postgresql`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.chaos.experiments import Experiments
from benchmarks.chaos.runs import KINDS, run_undisturbed
from benchmarks.chaos.storm import Storm, Work
from benchmarks.chaos.sweeps import Sweeps
from benchmarks.databases import KINDS as DATABASES
from benchmarks.databases import empty_database
from benchmarks.pairs import machine


def main() -> None:
    """Run one storm; exits with 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Kill processes of a service at random.")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--experiments", type=int, default=40)
    parser.add_argument("--sweeps", type=int, metavar="N", help="instead of experiments, sweeps of four trials each")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of when and what is killed")
    parser.add_argument("--limit", type=float, default=7200, metavar="S", help="give up after this many seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    chosen = parser.parse_args()
    if chosen.sweeps is None:
        work: Work = Experiments([run_undisturbed(overrides) for overrides in KINDS.values()])
    else:
        work = Sweeps()
    storm = Storm(
        work,
        pieces=chosen.sweeps or chosen.experiments,
        kills=chosen.kills,
        seed=chosen.seed,
        limit_s=chosen.limit,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    with tempfile.TemporaryDirectory(prefix="heron-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with empty_database(chosen.database, folder) as url:
            outcome = storm.run(url, folder)
    head = {"database": chosen.database, "seed": chosen.seed, "work": work.name, "machine": machine()}
    text = json.dumps({**head, **outcome.summary()}, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")
    sys.exit(1 if outcome.verdict.faults else 0)


if __name__ == "__main__":
    main()
