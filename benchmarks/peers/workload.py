"""The work that every participant of `benchmarks.fedavg` does, and the bare loop that each is timed against.

A participant is a script that takes two folders: `python PARTICIPANT.py WORKLOAD REPORT`. A peer knows this file, torch and its
own framework, and nothing of heron-ray. It builds `model`, trains clients with `train` or with its framework's own loop on the
batches given, and calls `Interleaved.begin` before its first round and `round_over` after each.

Both begin every round from the participant's weights, so that what they reach differs by the rounding errors of one round. Left
to themselves, two runs of equal arithmetic drift apart: where two pixels of a pooling window are nearly equal, or a ReLU's
input is nearly zero, the last bit decides where the gradient goes. In the convolutional network, moving every initial weight
by one bit moves a weight by 6e-6 in one round and by 7e-3 in 22 (with average pooling and softplus by 2e-7 in 10).

Shapes: R = rounds, K = clients in a cohort, h = local steps, B = batch, n = samples, P = parameters.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

ARRAYS = ("x", "y", "batches", "initial")
LAUNCHED = "HERON_BENCH_LAUNCHED"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """FedAvg by plain SGD, complete.

    Attributes:
        name: Of the task.
        stages: Channels of a convolutional network, the images' first; empty for a multi-layer perceptron.
        widths: Units of the fully connected layers, inputs and classes included.
        plain: Whether the network is built of torch's own layers in the usual order, and not of heron-ray's: the same values,
            in another memory layout.
        lr: The clients' learning rate.
        clients: How many clients there are in all.
        x: Training samples [n, *input].
        y: Their classes [n].
        batches: Which samples a client of the cohort uses in a step [R, K, h, B].
        initial: The initial weights [P], in the order of the model's parameters.
    """

    name: str
    stages: Sequence[int]
    widths: Sequence[int]
    plain: bool
    lr: float
    clients: int
    x: Tensor
    y: Tensor
    batches: Tensor
    initial: Tensor

    @property
    def rounds(self) -> int:
        """R."""
        return len(self.batches)

    @property
    def cohort(self) -> int:
        """K."""
        return self.batches.shape[1]

    def save(self, folder: Path) -> None:
        """Write it below a folder: one file per array, so that many processes can map the same pages."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in ARRAYS}
        (folder / "workload.json").write_text(json.dumps(plain), encoding="utf-8")
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name).numpy())

    @classmethod
    def load(cls, folder: Path) -> Workload:
        """Read what `save` wrote."""
        plain = json.loads((folder / "workload.json").read_text(encoding="utf-8"))
        arrays = {name: torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in ARRAYS}
        return cls(**(plain | arrays))


class Convolution(nn.Conv2d):
    """As in heron-ray, the output lies channels last, where max-pooling on a CPU takes a seventh of the time."""

    def forward(self, input: Tensor) -> Tensor:
        """A 3x3 convolution of the same size."""
        weight = self.weight.contiguous(memory_format=torch.channels_last)
        if weight.shape[1] == 1:
            weight = weight.as_strided(weight.shape, (weight[0].numel(), 1, weight.shape[3], 1))
        return functional.conv2d(input, weight, self.bias, padding=self.padding)


def model(workload: Workload) -> nn.Sequential:
    """The network, with the initial weights: what heron-ray trains, layer for layer or as one writes it in torch."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(workload.stages):
        if workload.plain:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        else:
            layers += [Convolution(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
    layers += [nn.Flatten()] if workload.stages else []
    for inputs, outputs in pairwise(workload.widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
    network = nn.Sequential(*layers[:-1])
    nn.utils.vector_to_parameters(workload.initial.clone(), network.parameters())
    return network


def train(network: nn.Module, workload: Workload, round: int, position: int) -> None:
    """The local steps of one client, in place.

    Args:
        network: Holds the global weights.
        workload: Whose data and rate.
        round: Counted from 0.
        position: Which client of the round's cohort.
    """
    optimizer = torch.optim.SGD(network.parameters(), lr=workload.lr)
    for rows in workload.batches[round, position]:
        optimizer.zero_grad()
        logits = network(workload.x.index_select(0, rows))
        functional.cross_entropy(logits, workload.y.index_select(0, rows)).backward()
        optimizer.step()


@cache
def client_side(folder: str) -> tuple[Workload, nn.Sequential]:
    """A saved workload and a network to train, once per process; a framework that has worker processes calls it in them."""
    torch.set_num_threads(1)
    workload = Workload.load(Path(folder))
    return workload, model(workload)


class BareLoop:
    """FedAvg as one writes it without a framework: one model, client after client, a running sum."""

    def __init__(self, workload: Workload) -> None:
        """Start from the initial weights."""
        self._workload = workload
        self._network = model(workload)
        self._parameters = list(self._network.parameters())
        self._global = [parameter.detach().clone() for parameter in self._parameters]
        self._round = 0

    def round(self) -> None:
        """The next round."""
        totals = [torch.zeros_like(weights) for weights in self._global]
        for position in range(self._workload.cohort):
            with torch.no_grad():
                for parameter, weights in zip(self._parameters, self._global, strict=True):
                    parameter.copy_(weights)
            train(self._network, self._workload, self._round, position)
            with torch.no_grad():
                for total, parameter in zip(totals, self._parameters, strict=True):
                    total += parameter
        self._global = [total / self._workload.cohort for total in totals]
        self._round += 1

    @property
    def weights(self) -> Tensor:
        """The global weights [P]."""
        return torch.cat([weights.flatten() for weights in self._global])

    @weights.setter
    def weights(self, vector: Tensor) -> None:
        pieces = vector.clone().split([weights.numel() for weights in self._global])
        self._global = [piece.view_as(weights) for piece, weights in zip(pieces, self._global, strict=True)]


class Interleaved:
    """Times a framework's rounds and, after each, one of the bare loop, in one process with one thread.

    Args:
        workload: What both do.
        launched: When the process was started, in seconds since the epoch.
    """

    def __init__(self, workload: Workload, launched: float) -> None:
        """Nothing is timed before `begin`."""
        self._launched = launched
        self._bare = BareLoop(workload)
        self._seconds: list[float] = []
        self._bare_seconds: list[float] = []
        self._difference = 0.0

    def begin(self) -> None:
        """The framework's first round begins now."""
        torch.set_num_threads(1)
        gc.collect()
        gc.freeze()
        self._start_seconds = time.time() - self._launched
        self._start = time.perf_counter()

    def round_over(self, weights: Callable[[], Tensor]) -> None:
        """A round of the framework has ended; when this returns, its next one begins.

        Args:
            weights: Gives the framework's global weights [P]; its time is counted nowhere.
        """
        middle = time.perf_counter()
        self._bare.round()
        self._seconds.append(middle - self._start)
        self._bare_seconds.append(time.perf_counter() - middle)
        reached = weights()
        self._difference = max(self._difference, (reached - self._bare.weights).abs().max().nan_to_num(nan=torch.inf).item())
        self._bare.weights = reached
        self._start = time.perf_counter()

    def report(self) -> dict[str, Any]:
        """What was measured.

        Returns:
            `start_seconds` and `first_round_seconds`; `seconds` and `bare_seconds` of all rounds but the first, which is
            warm-up, and the last, in which heron-ray also evaluates; `largest_difference`, the most that a weight differs
            from the bare loop's after any round.
        """
        gc.unfreeze()
        return {
            "start_seconds": self._start_seconds,
            "first_round_seconds": self._seconds[0],
            "seconds": self._seconds[1:-1],
            "bare_seconds": self._bare_seconds[1:-1],
            "largest_difference": self._difference,
        }


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Leave what `Interleaved.report` gave where the benchmark looks for it."""
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def launched() -> float:
    """When the benchmark started this process, in seconds since the epoch."""
    return float(os.environ[LAUNCHED])
