"""heron-ray as a participant: `local`, in one process, or `ray`, with two client actors."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.fedavg import EXECUTORS, run
from benchmarks.peers.workload import Workload, launched, write_report


def main() -> None:
    """Run the workload and write the report."""
    executor_class, workload = EXECUTORS[sys.argv[1]], Workload.load(Path(sys.argv[2]))
    with executor_class() as executor:
        write_report(Path(sys.argv[3]), run(workload, executor, launched()))


if __name__ == "__main__":
    main()
