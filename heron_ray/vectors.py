"""Flat parameter vectors: the parameters of several modules as views into one buffer.

A perturbation, an optimizer step, a broadcast and a checkpoint each touch one contiguous vector instead of many tensors.
Shapes: P = parameters, S = running statistics (of batch normalisation), N = P + S, K = copies. A vector of K copies has a
leading dimension more, and so has every parameter.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Float32Array = NDArray[np.float32]

_ALIGNMENT = 16
"""Numbers of 4 bytes in the 64 at which torch aligns tensors."""


class FlatVector:
    """The parameters and running statistics of named modules, moved into one float32 buffer of which they become views.

    The parameters need no gradient until `gradient()` is asked for: a client that never asks builds no autograd graph.
    Running statistics are a module's persistent floating-point buffers; what it registered as not persistent is constant
    and stays out.

    Args:
        modules: Part name to module, in the order in which parts lie in the buffer.
        copies: Hold so many copies of the parameters, for modules that compute with all of them at once (see
            `heron_ray.models.stacked`) and have no running statistics. None: one, without a dimension for it.

    Attributes:
        state: Everything that changes [N] or [K, N]: first the parameters of all parts, then their statistics.
        data: theta, the parameters [P] or [K, P]: the first P numbers of `state`.
        part_sizes: Part name to its number of parameters.
        buffers: Vectors beside the parameters, by name.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> vector = FlatVector({"front": layer})
        >>> _ = vector.data.fill_(1.0)
        >>> layer(torch.ones(1, 2)).item()
        3.0
    """

    def __init__(self, modules: Mapping[str, nn.Module], copies: int | None = None) -> None:
        """Copy the present values into the buffer."""
        self._parameters = {name: list(module.parameters()) for name, module in modules.items()}
        statistics = {name: list(_statistics(module)) for name, module in modules.items()}
        self.part_sizes = {name: sum(map(Tensor.numel, parameters)) for name, parameters in self._parameters.items()}
        self._shapes = [parameter.shape for parameter in self.parameters]
        self._statistics_sizes = {name: sum(value.numel() for _, _, value in found) for name, found in statistics.items()}
        self._modules = list(modules.values()) if any(self._statistics_sizes.values()) else []
        if copies is not None and self._modules:
            raise ValueError("modules with running statistics cannot be held in copies")
        device = next((p.device for parameters in self._parameters.values() for p in parameters), torch.device("cpu"))
        total = sum(self.part_sizes.values()) + sum(self._statistics_sizes.values())
        self._storage = _rows(total, copies, device)
        self._size = sum(self.part_sizes.values())
        self.buffers: dict[str, Tensor] = {}
        self._trained: list[nn.Parameter] = []
        self._placed: dict[tuple[str, ...] | None, list[slice]] = {}
        for parameter, view in zip(self.parameters, _views(self._storage[..., : self._size], self._shapes), strict=True):
            view.copy_(parameter.detach())
            parameter.requires_grad_(False)
            parameter.data = view
        self.hold(copies)
        running = [place for found in statistics.values() for place in found]
        views = _views(self.state[..., self._size :], [value.shape for _, _, value in running])
        for (owner, key, value), view in zip(running, views, strict=True):
            owner._buffers[key] = view.copy_(value)

    def __len__(self) -> int:
        """P."""
        return self._size

    def hold(self, copies: int | None) -> None:
        """Go on with the first so many of the copies there are room for; their values stay what they were."""
        self._copies = copies
        self.state = self._storage if copies is None else self._storage[:copies]
        self.data = self.state[..., : self._size]
        for parameter, view in zip(self.parameters, _views(self.data, self._shapes), strict=True):
            parameter.grad = None
            parameter.data = view
        self._point_gradients()

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
        """A copy of the parameters of these parts (all: None), followed by their statistics: [n], or [K, n]."""
        return self._copied(self._places(parts))

    def statistics(self, parts: Iterable[str]) -> Float32Array:
        """A copy of the statistics of these parts."""
        return self._copied(self._statistics_places(parts))

    def load(self, values: Float32Array, parts: Iterable[str] | None = None) -> None:
        """Overwrite what `numpy(parts)` gives with `values`; K copies all take the same [n] or each its own of [K, n]."""
        self._overwrite(self._places(parts), values)

    def load_statistics(self, values: Float32Array, parts: Iterable[str]) -> None:
        """Overwrite what `statistics(parts)` gives with `values`."""
        self._overwrite(self._statistics_places(parts), values)

    def buffer(self, name: str, length: int | None = None) -> Tensor:
        """A vector [length, or P], or one per copy, made at first use and then reused: it holds whatever was left."""
        if name not in self.buffers:
            room = None if self._copies is None else len(self._storage)
            self.buffers[name] = _rows(len(self) if length is None else length, room, self.data.device)
        return self.buffers[name] if self._copies is None else self.buffers[name][: self._copies]

    def gradient(self, parts: Iterable[str] | None = None) -> Tensor:
        """The flat gradient into which `backward()` accumulates; from the first call on, parameters require gradients.

        Args:
            parts: The parts whose parameters do; None: all. The same at every call.

        Returns:
            A vector as long as those parts together, in their order.
        """
        if not self._trained:
            names = list(self._parameters) if parts is None else list(parts)
            self._trained = [parameter for name in names for parameter in self._parameters[name]]
            self.buffer("gradients", sum(self.part_sizes[name] for name in names))
            self._point_gradients()
        return self.buffer("gradients")

    def _point_gradients(self) -> None:
        shapes = [parameter.shape[0 if self._copies is None else 1 :] for parameter in self._trained]
        views = _views(self.buffer("gradients"), shapes) if self._trained else []
        for parameter, view in zip(self._trained, views, strict=True):
            parameter.requires_grad_(True)
            parameter.grad = view

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
        return np.concatenate([state[..., :0], *(state[..., place] for place in places)], axis=-1, dtype=np.float32)

    def _overwrite(self, places: list[slice], values: Float32Array) -> None:
        start = 0
        for place in places:
            length = place.stop - place.start
            self.state[..., place].copy_(torch.tensor(values[..., start : start + length]))
            start += length

    def _places(self, parts: Iterable[str] | None) -> list[slice]:
        """Where in `state` the parameters of these parts, then their statistics, lie; neighbours in one piece."""
        names = None if parts is None else tuple(parts)
        if names not in self._placed:
            if names is None:
                found = [slice(0, self.state.shape[-1])]
            else:
                spans = _spans(self.part_sizes, 0)
                found = [*(spans[name] for name in names), *self._statistics_places(names)]
            self._placed[names] = _joined(found)
        return self._placed[names]

    def _statistics_places(self, parts: Iterable[str]) -> list[slice]:
        spans = _spans(self._statistics_sizes, len(self))
        return _joined(spans[name] for name in parts)


def tensor_over(array: NDArray[Any]) -> Tensor:
    """A tensor on the array's own memory. That may be read-only, so nobody writes to the tensor."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def constants(*modules: nn.Module) -> list[Tensor]:
    """What modules hold but never change: their buffers that are not persistent, such as the frozen base of an adapter.

    What several of them share is there once.
    """
    found = [
        tensor
        for module in modules
        for owner in module.modules()
        for key, tensor in owner._buffers.items()
        if tensor is not None and key in owner._non_persistent_buffers_set
    ]
    return list({tensor.untyped_storage()._cdata: tensor for tensor in found}.values())


def _statistics(module: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    for owner in module.modules():
        for key, value in owner._buffers.items():
            if value is not None and value.is_floating_point() and key not in owner._non_persistent_buffers_set:
                yield owner, key, value


def _rows(length: int, copies: int | None, device: torch.device) -> Tensor:
    """An uninitialised [length] or [copies, length]. A row is aligned as a tensor of its own would be, and so has its bits."""
    if copies is None:
        return torch.empty(length, device=device)
    padded = -(-length // _ALIGNMENT) * _ALIGNMENT
    return torch.empty(copies, padded, device=device)[:, :length]


def _views(flat: Tensor, shapes: list[torch.Size]) -> list[Tensor]:
    """Views of [n] or [K, n] that lie one after another in its last dimension."""
    pieces = flat.split([shape.numel() for shape in shapes], dim=-1) if shapes else ()
    return [piece.view(*flat.shape[:-1], *shape) for piece, shape in zip(pieces, shapes, strict=True)]


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
