"""A FedAvg round against a bare one-thread torch loop: heron-ray's, and other frameworks' on the same work.

5 local steps of plain SGD with batches of 32 on synthetic data, by an MLP (64-128-64-10) and a convolutional network on 28x28
images. Every participant is a process of its own that computes a round in turn with the bare loop inside it, so that a ratio
bears a busy machine; start-up, warm-up and evaluation are not in it. All get the same cohorts, batches and initial weights,
and a round whose weights differ from the bare loop's by more than 1e-4 is an error: rounding was seen to cause 1e-5, one client
of ten with other batches 3e-4. In `cnn-10` the bare loop and the peers are given heron-ray's convolutions, which keep channels
last; in `cnn-10-plain` they have torch's own layers in the usual order, as one writes them.

A peer's figure is the quotient of two ratios: heron-ray's to the bare loop and the peer's. The bare loop uses one processor
core; so do heron-ray (local) and pfl-research, whereas heron-ray (ray) has two client actors and Flower one per core. Peers
are installed by their requirements in benchmarks/peers, each into an environment of its own below .bench.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.pairs import RESAMPLES, Figure, Report, figure, options
from benchmarks.peers.workload import LAUNCHED, Interleaved, Workload
from heron_ray.actors.executor import RayExecutor
from heron_ray.directory import VARIABLE
from heron_ray.seeds import generator
from heron_ray.simulation import Executor, LocalExecutor, Simulation
from heron_ray.simulation.events import Event, RoundFinished, Started
from heron_ray.simulation.plan import plan_round
from heron_ray.simulation.roles.batches import Batches
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec, parse_spec
from heron_ray.vectors import FlatVector

ROOT: Final = Path(__file__).parent.parent
PEERS: Final = ROOT / "benchmarks" / "peers"
ENVIRONMENTS: Final = ROOT / ".bench"

CLOSE: Final = 1e-4
"""The most that a weight may differ from the bare loop's after a round."""

RATE: Final = 0.05

SAMPLES: Final = 64
"""Of every client."""

EXECUTORS: Final[Mapping[str, type[LocalExecutor] | type[RayExecutor]]] = {"local": LocalExecutor, "ray": RayExecutor}
OURS: Final = tuple(f"heron-ray ({kind})" for kind in EXECUTORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One workload.

    Attributes:
        model: The spec's section.
        clients: In all.
        cohort: Clients per round.
        rounds_per_pair: Rounds measured for each of `--pairs`: more where a round is short.
        target: The most that heron-ray's time may be of the bare loop's, by its better executor.
        slower: How many times heron-ray's time a peer's should be at least.
        plain: Whether the bare loop and the peers have torch's own convolutions.
    """

    model: Mapping[str, Any]
    clients: int
    cohort: int
    rounds_per_pair: int
    target: float
    slower: Mapping[str, float]
    plain: bool = False

    @property
    def data(self) -> Mapping[str, Any]:
        """The spec's section."""
        if self.model["kind"] == "mlp":
            return {"kind": "synthetic", "samples": SAMPLES * self.clients}
        return {"kind": "mnist", "path": "images", "validation": 0.2}

    @property
    def layers(self) -> tuple[list[int], list[int]]:
        """Channels of the stages and widths of the fully connected layers, as `Workload` has them."""
        model = self.model
        if model["kind"] == "mlp":
            return [], [64, *model["front"], *model["back"], 10]
        channels = [*model["front"], *model["back"]]
        return [1, *channels], [channels[-1] * (28 >> len(channels)) ** 2, *model["head"], 10]


_MLP: Final = {"kind": "mlp", "front": [128], "back": [64], "auxiliary": {"kind": "linear"}}
_CNN: Final = {"kind": "cnn", "front": [16], "back": [32], "head": [128], "auxiliary": {"kind": "linear"}}

TASKS: Final[dict[str, Task]] = {
    "mlp-10": Task(
        model=_MLP,
        clients=100,
        cohort=10,
        rounds_per_pair=4,
        target=1.0,
        slower={"flower": 10, "pfl_research": 1.5},
    ),
    "mlp-1000": Task(
        model=_MLP,
        clients=10_000,
        cohort=1_000,
        rounds_per_pair=1,
        target=0.52,
        slower={"flower": 25, "pfl_research": 2.7},
    ),
    "cnn-10": Task(
        model=_CNN,
        clients=100,
        cohort=10,
        rounds_per_pair=1,
        target=0.55,
        slower={"flower": 1.6, "pfl_research": 1.9},
    ),
}
TASKS["cnn-10-plain"] = replace(TASKS["cnn-10"], plain=True)
PEER_NAMES: Final = tuple(TASKS["mlp-10"].slower)


def make_spec(task: Task, rounds: int) -> ExperimentSpec:
    """The experiment. It is evaluated in its last round only, which is not measured."""
    return parse_spec(
        {
            "rounds": rounds,
            "data": task.data,
            "partition": {"kind": "iid"},
            "model": task.model,
            "clients": {"count": task.clients, "per_round": task.cohort, "local_steps": 5, "batch_size": 32},
            "method": {"kind": "fedavg", "client_optimizer": {"kind": "sgd", "lr": RATE}},
            "aggregation": {"kind": "mean"},
            "evaluation": {"every": rounds},
            "compute": {"actors": 2},
        }
    )


def write_images(folder: Path, clients: int) -> None:
    """A data set in MNIST's form: per class an image of noise, and more noise on every sample. A fifth will be held out."""
    draw = generator(0)
    centres = draw.integers(0, 128, size=(10, 28, 28), dtype=np.uint8)
    folder.mkdir()
    for part, count in {"train": SAMPLES * clients * 5 // 4, "t10k": 100}.items():
        labels = draw.integers(10, size=count, dtype=np.uint8)
        pixels = centres[labels] + draw.integers(0, 128, size=(count, 28, 28), dtype=np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
            head = np.array([0x0800 + array.ndim, *array.shape], dtype=">u4").tobytes()
            (folder / name).write_bytes(head + array.tobytes())


def make_workload(name: str, rounds: int, folder: Path) -> Workload:
    """A task's data, and what is drawn for so many rounds. Images are written below `folder`, which HERON_DATA_DIR names."""
    task = TASKS[name]
    if task.data["kind"] == "mnist":
        write_images(folder / task.data["path"], task.clients)
    spec = make_spec(task, rounds)
    setup = Setup.build(spec)
    stages, widths = task.layers
    return Workload(
        name=name,
        stages=stages,
        widths=widths,
        plain=task.plain,
        lr=RATE,
        clients=task.clients,
        x=setup.dataset.train.x,
        y=setup.dataset.train.y,
        batches=torch.from_numpy(np.array([list(_cohort_batches(setup, round)) for round in range(1, rounds + 1)])),
        initial=torch.from_numpy(FlatVector(setup.build_model().parts(("front", "back"))).numpy()),
    )


def _cohort_batches(setup: Setup, round: int) -> Iterator[np.ndarray]:
    """Per client of a round's cohort the indices [h, B] of its batches."""
    spec = setup.spec
    for client in plan_round(spec, round, hosts=1).cohort:
        drawn = Batches(setup.shards[client], spec.clients.batch_size, seed=spec.seed, round=round, client=client)
        yield np.stack([drawn.indices(step) for step in range(spec.clients.local_steps)])


class _ClockSink:
    """Tells the clock about rounds."""

    def __init__(self, clock: Interleaved, executor: Executor) -> None:
        self._clock = clock
        self._executor = executor

    def emit(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Started):
            self._clock.begin()
        elif isinstance(event, RoundFinished):
            self._clock.round_over(self._weights)

    def _weights(self) -> torch.Tensor:
        return torch.tensor(self._executor.get(self._executor.federation_server.call("shared_parts")))


def run(workload: Workload, executor: Executor, launched: float) -> dict[str, Any]:
    """heron-ray on a workload, in turn with the bare loop: what `Interleaved.report` gives."""
    clock = Interleaved(workload, launched)
    Simulation(make_spec(TASKS[workload.name], workload.rounds), executor, sink=_ClockSink(clock, executor)).run()
    return clock.report()


def require_close(measured: dict[str, Any], who: str) -> dict[str, Any]:
    """Refuse a measurement of other arithmetic. Raises RuntimeError."""
    if not measured["largest_difference"] <= CLOSE:
        raise RuntimeError(f"{who}: in a round a weight differs by {measured['largest_difference']:.2e} from the bare loop's")
    return measured


def install(peer: str) -> Path:
    """The Python of a peer's own environment, brought up to its requirements."""
    environment = ENVIRONMENTS / peer
    python = environment / "bin" / "python"
    uv = Path(sys.executable).parent / "uv"
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "-r", PEERS / f"{peer}.txt"], check=True)
    return python


def commands(names: Sequence[str]) -> dict[str, list[str | Path]]:
    """How each participant is started, less the two folders; peers are installed."""
    ours: dict[str, list[str | Path]] = {
        who: [sys.executable, "-m", "benchmarks.peers.heron", kind] for who, kind in zip(OURS, EXECUTORS, strict=True)
    }
    return ours | {peer: [install(peer), PEERS / f"{peer}.py"] for peer in names}


def run_process(command: list[str | Path], source: Path) -> dict[str, Any]:
    """What a participant reports of the workload in a folder.

    Raises:
        RuntimeError: It failed.
    """
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        environment = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "PYTHONPATH")} | {
            LAUNCHED: str(time.time()),
            "OMP_NUM_THREADS": "1",
            "FLWR_TELEMETRY_ENABLED": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONWARNINGS": "ignore",
        }
        log, report = Path(folder) / "log", Path(folder) / "report.json"
        with log.open("wb") as stream:
            subprocess.run([*command, source, folder], cwd=ROOT, env=environment, stdout=stream, stderr=stream, check=False)
        if not report.exists():
            raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{log.read_text(errors='replace')[-3000:]}")
        measured: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return measured


def quotient(name: str, ours: Sequence[float], theirs: Sequence[float], target: float | None = None) -> Figure:
    """A quotient of two medians and its interval, from resamples of both."""
    draw = generator(0)
    medians = [np.median(draw.choice(values, size=(RESAMPLES, len(values))), axis=1) for values in (ours, theirs)]
    low, high = np.quantile(medians[0] / medians[1], [0.025, 0.975])
    return Figure(
        name=name,
        median=float(np.median(ours) / np.median(theirs)),
        low=float(low),
        high=float(high),
        pairs=min(len(ours), len(theirs)),
        target=target,
    )


def measure(name: str, participants: Mapping[str, list[str | Path]], source: Path, report: Report) -> None:
    """Every participant on the task's workload in a folder, then heron-ray against the bare loop and against each peer.

    A peer that fails or does other arithmetic is named and left out. Raises RuntimeError where heron-ray does.
    """
    task = TASKS[name]
    ratios: dict[str, list[float]] = {}
    for who, command in participants.items():
        try:
            found = require_close(run_process(command, source), who)
        except RuntimeError as error:
            if who in OURS:
                raise
            print(f"{name}: {who} is left out: {error}", flush=True)
            continue
        ratios[who] = [ours / bare for ours, bare in zip(found["seconds"], found["bare_seconds"], strict=True)]
        report.add(
            figure(f"{name}: {who} / bare loop", ratios[who]),
            figure(f"{name}: {who}, a round", [1e3 * seconds for seconds in found["seconds"]], unit="ms"),
            figure(f"{name}: {who}, first round", [1e3 * found["first_round_seconds"]], unit="ms"),
            figure(f"{name}: {who}, start-up", [found["start_seconds"]], unit="s"),
            figure(f"{name}: {who}, largest difference of a weight / 1e-4", [found["largest_difference"] / CLOSE]),
        )
    better = min(OURS, key=lambda who: float(np.median(ratios[who])))
    report.add(figure(f"{name}: heron-ray, better: {better} / bare loop", ratios[better], target=task.target))
    for peer in [who for who in ratios if who not in OURS]:
        for who in OURS:
            target = 1 / task.slower[peer] if who == better else None
            report.add(quotient(f"{name}: {who} / {peer}", ratios[who], ratios[peer], target))


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS), help="these tasks")
    parser.add_argument("--peers", nargs="*", choices=PEER_NAMES, default=PEER_NAMES, help="these peers, or none")
    parser.add_argument("--install", action="store_true", help="only install the peers")
    chosen = parser.parse_args()
    participants = commands(chosen.peers)
    if chosen.install:
        return
    head = {"benchmark": "fedavg", "tasks": chosen.only, "pairs": chosen.pairs, "peers": chosen.peers}
    report = Report(head, chosen.json)
    for name in chosen.only:
        with tempfile.TemporaryDirectory(prefix="fedavg-") as folder:
            source = Path(folder)
            os.environ[VARIABLE] = folder
            make_workload(name, TASKS[name].rounds_per_pair * chosen.pairs + 2, source).save(source)
            measure(name, participants, source, report)
    report.close()


if __name__ == "__main__":
    main()
