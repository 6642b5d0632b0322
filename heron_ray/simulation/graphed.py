"""The client's forward passes on a card, captured as CUDA graphs: one launch in place of one for every kernel.

A small network's kernels take less time than launching them does, so its passes come to a fraction of eager ones; the kernels
are the same, and so are the bits. A graph holds the memory of its pass for good. A large network gains nothing and would hold
much, so passes that need more than `KEPT_BYTES` stay eager; so does the whole batch of a smaller shard.
Shapes: B = batch.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from heron_ray.measure.memory import MemoryTracker
from heron_ray.models.forwards import ClientForwards, eager_forwards
from heron_ray.models.objectives import Objective
from heron_ray.models.split import SplitModel
from heron_ray.vectors import FlatVector

KEPT_BYTES: Final = 64 * 2**20
"""So much memory may the graphs of a model hold."""

_WARM_UPS: Final = 3
"""Passes before a capture: libraries prepare themselves in the first ones."""


def graphed_forwards(model: SplitModel, vector: FlatVector, objective: Objective, *, batch_size: int) -> ClientForwards:
    """The eager passes, captured at the first full batch.

    Args:
        model: Front model and auxiliary head on a CUDA device; their parameters may change in place, not move.
        vector: Holds their parameters.
        objective: What the head's logits are judged by; it must leave to the device what is the device's.
        batch_size: B of the batches that are captured.
    """
    graphs = _Graphs(model, vector, objective, batch_size)
    return ClientForwards(smash=graphs.smash, loss=graphs.loss)


class _Graphs:
    """Two graphs that read theta and one batch from where they lie, and what they leave behind."""

    def __init__(self, model: SplitModel, vector: FlatVector, objective: Objective, batch_size: int) -> None:
        self._eager, self._vector, self._batch_size = eager_forwards(model, objective), vector, batch_size
        self._worth_it: bool | None = None
        self._placed: Callable[[], Tensor | None] = lambda: None

    def smash(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Smashed data, which the next call overwrites, and the loss."""
        if not self._serves(x, y):
            return self._eager.smash(x, y)
        self._place(x, y)
        self._smash.replay()
        return self._z, self._loss_beside_z.clone()

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss alone."""
        if not self._serves(x, y):
            return self._eager.loss(x, y)
        self._place(x, y)
        self._lone.replay()
        return self._loss.clone()

    def _serves(self, x: Tensor, y: Tensor) -> bool:
        """Whether a batch is for the graphs, which are captured at the first that could be."""
        if len(x) != self._batch_size:
            return False
        if self._worth_it is None:
            with self._vector.hold_statistics(), (tracker := MemoryTracker()):
                self._eager.smash(x, y)
            self._worth_it = tracker.peak_bytes <= KEPT_BYTES
            if self._worth_it:
                self._capture(x, y)
        return self._worth_it

    def _place(self, x: Tensor, y: Tensor) -> None:
        """Copy a batch to where the graphs read it, unless it is there: all probes of a step have the same."""
        if self._placed() is not x:
            self._x.copy_(x)
            self._y.copy_(y)
            self._placed = weakref.ref(x)  # the client decides how long its batch lives

    def _capture(self, x: Tensor, y: Tensor) -> None:
        self._x, self._y = x.clone(), y.clone()
        eager, here, aside = self._eager, torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside), self._vector.hold_statistics():
            for _ in range(_WARM_UPS):
                eager.smash(self._x, self._y)
        here.wait_stream(aside)
        self._smash, self._lone = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._smash, capture_error_mode="thread_local"):
            self._z, self._loss_beside_z = eager.smash(self._x, self._y)
        with (
            self._vector.hold_statistics(),  # as probes do
            torch.cuda.graph(self._lone, pool=self._smash.pool(), capture_error_mode="thread_local"),
        ):
            self._loss = eager.loss(self._x, self._y)
