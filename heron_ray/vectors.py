"""Flat parameter vectors: the parameters of several modules as views into one buffer.

A perturbation, an optimizer step, a broadcast and a checkpoint each touch one contiguous vector instead of many tensors.
Shapes: P = total number of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Float32Array = NDArray[np.float32]


class FlatVector:
    """The parameters of named modules, moved into one float32 buffer of which they become views.

    The parameters need no gradient until `gradient()` is asked for: a client that never asks builds no autograd graph.

    Args:
        modules: Part name to module, in the order in which they lie in the buffer.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> vector = FlatVector({"front": layer})
        >>> _ = vector.data.fill_(1.0)
        >>> layer(torch.ones(1, 2)).item()
        3.0
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        """Copy the parameters' present values into the buffer."""
        self._parameters = [parameter for module in modules.values() for parameter in module.parameters()]
        self.part_sizes = {
            name: sum(parameter.numel() for parameter in module.parameters()) for name, module in modules.items()
        }
        device = self._parameters[0].device if self._parameters else torch.device("cpu")
        self.data = torch.empty(sum(self.part_sizes.values()), dtype=torch.float32, device=device)
        self.buffers: dict[str, Tensor] = {}
        for parameter, view in zip(self._parameters, self._views(self.data), strict=True):
            view.copy_(parameter.detach())
            parameter.requires_grad_(False)
            parameter.data = view

    def __len__(self) -> int:
        """P."""
        return self.data.numel()

    def load(self, values: Float32Array) -> None:
        """Overwrite the parameters with `values` [P]."""
        if len(self):
            self.data.copy_(torch.tensor(values))

    def numpy(self) -> Float32Array:
        """A copy of the parameters [P]."""
        return np.array(self.data.cpu().numpy(), dtype=np.float32)

    def buffer(self, name: str, length: int | None = None) -> Tensor:
        """A vector [length, or P] beside the parameters, made at first use and then reused: it holds whatever was left."""
        if name not in self.buffers:
            self.buffers[name] = torch.empty(len(self) if length is None else length, device=self.data.device)
        return self.buffers[name]

    def gradient(self) -> Tensor:
        """The flat gradient [P] into which `backward()` accumulates; from the first call on, parameters require gradients."""
        if "gradients" not in self.buffers:
            for parameter, view in zip(self._parameters, self._views(self.buffer("gradients")), strict=True):
                parameter.requires_grad_(True)
                parameter.grad = view
        return self.buffers["gradients"]

    def _views(self, flat: Tensor) -> list[Tensor]:
        sizes = [parameter.numel() for parameter in self._parameters]
        return [piece.view_as(parameter) for piece, parameter in zip(flat.split(sizes), self._parameters, strict=True)]
