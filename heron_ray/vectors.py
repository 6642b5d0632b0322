"""Flat parameter vectors: the parameters of several modules as views into one buffer.

A perturbation, an optimizer step, a broadcast and a checkpoint each touch one contiguous vector instead of many tensors.
Shapes: P = parameters, S = running statistics (of batch normalisation), N = P + S.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Float32Array = NDArray[np.float32]


class FlatVector:
    """The parameters and running statistics of named modules, moved into one float32 buffer of which they become views.

    The parameters need no gradient until `gradient()` is asked for: a client that never asks builds no autograd graph.
    Running statistics are a module's persistent floating-point buffers; what it registered as not persistent is constant
    and stays out.

    Args:
        modules: Part name to module, in the order in which parts lie in the buffer.

    Attributes:
        state: Everything that changes [N]: first the parameters of all parts, then their statistics.
        data: theta, the parameters [P]: the first P numbers of `state`.
        part_sizes: Part name to its number of parameters.
        buffers: Vectors beside the parameters, by name.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> vector = FlatVector({"front": layer})
        >>> _ = vector.data.fill_(1.0)
        >>> layer(torch.ones(1, 2)).item()
        3.0
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        """Copy the present values into the buffer."""
        self._parameters = {name: list(module.parameters()) for name, module in modules.items()}
        statistics = {name: list(_statistics(module)) for name, module in modules.items()}
        self.part_sizes = {name: sum(map(Tensor.numel, parameters)) for name, parameters in self._parameters.items()}
        self._statistics_sizes = {name: sum(value.numel() for _, _, value in found) for name, found in statistics.items()}
        self._modules = list(modules.values()) if any(self._statistics_sizes.values()) else []
        size = sum(self.part_sizes.values())
        device = next((p.device for parameters in self._parameters.values() for p in parameters), torch.device("cpu"))
        total = size + sum(self._statistics_sizes.values())
        self.state = torch.empty(total, dtype=torch.float32, device=device)
        self.data = self.state[:size]
        self.buffers: dict[str, Tensor] = {}
        self._placed: dict[tuple[str, ...] | None, list[slice]] = {}
        for parameter, view in zip(self.parameters, _views(self.data, self.parameters), strict=True):
            view.copy_(parameter.detach())
            parameter.requires_grad_(False)
            parameter.data = view
        running = [place for found in statistics.values() for place in found]
        for (owner, key, value), view in zip(
            running, _views(self.state[size:], [value for _, _, value in running]), strict=True
        ):
            owner._buffers[key] = view.copy_(value)

    def __len__(self) -> int:
        """P."""
        return self.data.numel()

    def sizes(self, parts: Iterable[str]) -> dict[str, int]:
        """How many numbers these parts are, by what they are: part names, and `statistics` where there are any."""
        parts = list(parts)
        sizes = {name: self.part_sizes[name] for name in parts}
        statistics = sum(self._statistics_sizes[name] for name in parts)
        return sizes | ({"statistics": statistics} if statistics else {})

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The modules' parameters, in the order in which they lie in `data`."""
        return [parameter for parameters in self._parameters.values() for parameter in parameters]

    def span(self, part: str) -> slice:
        """Where a part's parameters lie in `data`."""
        return _spans(self.part_sizes, 0)[part]

    def numpy(self, parts: Iterable[str] | None = None) -> Float32Array:
        """A copy of the parameters of these parts (all: None), followed by their statistics."""
        return self._copied(self._places(parts))

    def statistics(self, parts: Iterable[str]) -> Float32Array:
        """A copy of the statistics of these parts."""
        return self._copied(self._statistics_places(parts))

    def load(self, values: Float32Array, parts: Iterable[str] | None = None) -> None:
        """Overwrite what `numpy(parts)` gives with `values`."""
        self._overwrite(self._places(parts), values)

    def load_statistics(self, values: Float32Array, parts: Iterable[str]) -> None:
        """Overwrite what `statistics(parts)` gives with `values`."""
        self._overwrite(self._statistics_places(parts), values)

    def buffer(self, name: str, length: int | None = None) -> Tensor:
        """A vector [length, or P] beside the parameters, made at first use and then reused: it holds whatever was left."""
        if name not in self.buffers:
            self.buffers[name] = torch.empty(len(self) if length is None else length, device=self.data.device)
        return self.buffers[name]

    def gradient(self, parts: Iterable[str] | None = None) -> Tensor:
        """The flat gradient into which `backward()` accumulates; from the first call on, parameters require gradients.

        Args:
            parts: The parts whose parameters do; None: all. The same at every call.

        Returns:
            A vector as long as those parts together, in their order.
        """
        if "gradients" not in self.buffers:
            names = list(self._parameters) if parts is None else list(parts)
            parameters = [parameter for name in names for parameter in self._parameters[name]]
            gradients = self.buffer("gradients", sum(self.part_sizes[name] for name in names))
            for parameter, view in zip(parameters, _views(gradients, parameters), strict=True):
                parameter.requires_grad_(True)
                parameter.grad = view
        return self.buffers["gradients"]

    @contextmanager
    def hold_statistics(self) -> Iterator[None]:
        """Inside, batch normalisation normalises by the batch and leaves its running statistics alone."""
        owners = [owner for module in self._modules for owner in module.modules() if isinstance(owner, nn.BatchNorm2d)]
        held = [owner for owner in owners if owner.track_running_stats]
        try:
            for owner in held:
                owner.track_running_stats = False
            yield
        finally:
            for owner in held:
                owner.track_running_stats = True

    def _copied(self, places: list[slice]) -> Float32Array:
        state = self.state.cpu().numpy()
        return np.concatenate([state[:0], *(state[place] for place in places)], dtype=np.float32)

    def _overwrite(self, places: list[slice], values: Float32Array) -> None:
        start = 0
        for place in places:
            length = place.stop - place.start
            self.state[place].copy_(torch.tensor(values[start : start + length]))
            start += length

    def _places(self, parts: Iterable[str] | None) -> list[slice]:
        """Where in `state` the parameters of these parts, then their statistics, lie; neighbours in one piece."""
        names = None if parts is None else tuple(parts)
        if names not in self._placed:
            if names is None:
                found = [slice(0, len(self.state))]
            else:
                spans = _spans(self.part_sizes, 0)
                found = [*(spans[name] for name in names), *self._statistics_places(names)]
            self._placed[names] = _joined(found)
        return self._placed[names]

    def _statistics_places(self, parts: Iterable[str]) -> list[slice]:
        spans = _spans(self._statistics_sizes, len(self))
        return _joined(spans[name] for name in parts)


def constants(module: nn.Module) -> list[Tensor]:
    """What a module holds but never changes: its buffers that are not persistent, such as the frozen base of an adapter."""
    return [
        tensor
        for owner in module.modules()
        for key, tensor in owner._buffers.items()
        if tensor is not None and key in owner._non_persistent_buffers_set
    ]


def _statistics(module: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    for owner in module.modules():
        for key, value in owner._buffers.items():
            if value is not None and value.is_floating_point() and key not in owner._non_persistent_buffers_set:
                yield owner, key, value


def _views(flat: Tensor, like: list[Tensor] | list[nn.Parameter]) -> list[Tensor]:
    pieces = flat.split([tensor.numel() for tensor in like]) if like else ()
    return [piece.view_as(tensor) for piece, tensor in zip(pieces, like, strict=True)]


def _spans(sizes: Mapping[str, int], start: int) -> dict[str, slice]:
    """Where parts of these sizes lie, one after another from `start` on."""
    spans = {}
    for name, size in sizes.items():
        spans[name] = slice(start, start + size)
        start += size
    return spans


def _joined(places: Iterable[slice]) -> list[slice]:
    """The same places without empty ones, those that follow on one another in one."""
    joined: list[slice] = []
    for place in places:
        if joined and joined[-1].stop == place.start:
            joined[-1] = slice(joined[-1].start, place.stop)
        elif place.stop > place.start:
            joined.append(place)
    return joined
