"""What it costs to begin: `python -m benchmarks.startup`.

`first_point`: a service that has run an experiment before gets experiments/digits-heron.yaml again and again, as it stands (on
Ray actors) and on a LocalExecutor. Time runs from the POST until the client has read the first point from the stream of
events, which holds only what is in the database; then the experiment is cancelled, and the next begins when it has ended.

`heron_run`: A is `heron run` of one round of the same experiment without a service, B is `python -c "import torch"`; whole
processes, in turn, by wall clock and by processor time.

Whether Python keeps byte code (see PYTHONDONTWRITEBYTECODE) changes all of it, so the head says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from benchmarks.pairs import Pair, Report, figure, options, ratio
from heron_ray.cli.service_process import ServiceProcess
from heron_ray.client import Client
from heron_ray.spec import ExperimentSpec, load_spec

SPEC: Final = Path(__file__).parent.parent / "experiments" / "digits-heron.yaml"
FIRST_POINT_TARGET_S: Final = 1.5
RATIO_TARGET: Final = 1.5

HERON_RUN: Final = (
    "-m", "heron_ray.cli", "run", str(SPEC), "--set", "rounds=1", "--set", "compute.executor=local", "--no-progress", "--json",
)  # fmt: skip
IMPORT_TORCH: Final = ("-c", "import torch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that has ended: its seconds of wall clock, its seconds of processor time, and what it printed."""

    wall: float
    processor: float
    output: str


def run_python(arguments: Sequence[str]) -> Process:
    """Run Python with these arguments to its end.

    Raises:
        CalledProcessError: It failed.
    """
    before = os.times()
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    wall = time.perf_counter() - start
    after = os.times()
    processor = after.children_user - before.children_user + after.children_system - before.children_system
    return Process(wall=wall, processor=processor, output=done.stdout)


def heron_run(report: Report, pairs: int) -> None:
    """Compare `heron run` with the import of torch."""
    commands = (HERON_RUN, IMPORT_TORCH)
    for command in commands:
        run_python(command)
    found: list[tuple[Process, Process]] = []
    for number in range(pairs):
        sides = (0, 1) if number % 2 == 0 else (1, 0)
        done = {side: run_python(commands[side]) for side in sides}
        found.append((done[0], done[1]))
    own = [float(json.loads(heron.output)["wall_seconds"]) for heron, _ in found]
    wall = [Pair(a=heron.wall, b=torch.wall) for heron, torch in found]
    beyond = [Pair(a=pair.a - seconds, b=pair.b) for pair, seconds in zip(wall, own, strict=True)]
    processor = [Pair(a=heron.processor, b=torch.processor) for heron, torch in found]
    report.add(
        ratio("heron run / import torch, wall clock", wall),
        ratio("heron run less its experiment / import torch, wall clock", beyond, RATIO_TARGET),
        ratio("heron run / import torch, processor time", processor, RATIO_TARGET),
        figure("heron run, wall clock", [pair.a for pair in wall], unit="s"),
        figure("heron run's experiment, wall clock", own, unit="s"),
        figure("heron run, processor time", [pair.a for pair in processor], unit="s"),
        figure("import torch, wall clock", [pair.b for pair in wall], unit="s"),
        figure("import torch, processor time", [pair.b for pair in processor], unit="s"),
    )


def seconds_to_first_point(client: Client, spec: ExperimentSpec) -> float:
    """Submit an experiment, take the time until its first point has come, and cancel it; returns when it has ended."""
    start = time.perf_counter()
    id = client.submit(spec).id
    seconds = 0.0
    for event in client.follow(id):
        if event.kind == "round_finished" and not seconds:
            seconds = time.perf_counter() - start
            client.cancel(id)
    if not seconds:
        raise RuntimeError(f"experiment {id} ended without a point: {client.get(id).message}")
    return seconds


def first_point(report: Report, pairs: int) -> None:
    """Measure a warm service."""
    for name, overrides in (("as it stands", []), ("local", ["compute.executor=local"])):
        spec, _ = load_spec(SPEC, overrides)
        with (
            tempfile.TemporaryDirectory(prefix="heron-startup-") as folder,
            ServiceProcess(Path(folder) / "state") as service,
            Client(service.url) as client,
        ):
            report.add(figure(f"first point on a fresh service, {name}", [seconds_to_first_point(client, spec)], unit="s"))
            found = [seconds_to_first_point(client, spec) for _ in range(pairs)]
        report.add(figure(f"first point on a warm service, {name}", found, unit="s", target=FIRST_POINT_TARGET_S))
        report.add(figure(f"slowest first point, {name}", [max(found)], unit="s"))


PARTS: Final[Mapping[str, Callable[[Report, int], None]]] = MappingProxyType(
    {"first_point": first_point, "heron_run": heron_run}
)


def main() -> None:
    """Measure what was asked for."""
    parser = options(__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part")
    chosen = parser.parse_args()
    head = {"benchmark": "startup", "spec": SPEC.name, "keeps_byte_code": not sys.dont_write_bytecode}
    report = Report(head, chosen.json)
    for name, part in PARTS.items():
        if chosen.only in (None, name):
            part(report, chosen.pairs)
    report.close()


if __name__ == "__main__":
    main()
