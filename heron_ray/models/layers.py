"""Layers with torch's default initial law, U(-1/sqrt(n), 1/sqrt(n)) for n inputs per output, drawn from a given generator."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from heron_ray.models.stacked import Linear
from heron_ray.spec.model import AuxiliarySpec, LinearAuxiliary, MlpAuxiliary

LayerT = TypeVar("LayerT", bound=nn.Module)


def blank(layer_class: Callable[..., LayerT], *sizes: int, device: torch.device, **options: Any) -> LayerT:
    """A layer whose own initial values are never drawn, so that no global generator is touched; they are whatever was left.

    torch's `skip_init` does the same, but imports a symbolic algebra package on the way, which takes longer than all else.
    """
    layer = layer_class(*sizes, **options, device="meta")
    for name, parameter in list(layer.named_parameters(recurse=False)):
        setattr(layer, name, nn.Parameter(torch.empty(parameter.shape, device=device)))
    return layer


def dense_stack(widths: Sequence[int], generator: torch.Generator, device: torch.device, *, logits: bool) -> nn.Sequential:
    """Fully connected layers from `widths[0]` inputs to `widths[-1]` outputs, with a ReLU in place after each.

    Args:
        widths: Inputs and outputs of the layers, in units.
        generator: Source of the initial values, on the CPU.
        device: Where the layers live; meta for layers without values.
        logits: Whether the last layer is left without its ReLU.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        linear = blank(Linear, inputs, outputs, device=device)
        layers += [_draw(linear, inputs, generator), nn.ReLU(inplace=True)]
    return nn.Sequential(*(layers[:-1] if logits else layers))


def convolution_stages(channels: Sequence[int], generator: torch.Generator, device: torch.device) -> nn.Sequential:
    """Stages of 3x3 convolution, 2x2 max-pooling and ReLU in place: [B, channels[0], H, W] to [B, channels[-1], H/2^s, W/2^s].

    Pooling comes before the ReLU: the values are the same and the ReLU has a quarter of the work.

    Args:
        channels: Input channels of the first stage, then output channels of each.
        generator: Source of the initial values, on the CPU.
        device: Where the layers live; meta for layers without values.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(channels):
        convolution = blank(_Convolution, inputs, outputs, 3, padding=1, device=device)
        layers += [_draw(convolution, 9 * inputs, generator), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class _Convolution(nn.Conv2d):
    """A convolution whose output lies channels last, where max-pooling on a CPU takes a seventh of the time."""

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight.contiguous(memory_format=torch.channels_last)
        if weight.shape[1] == 1:  # with one channel the order is the same either way, and torch has to be told which is meant
            weight = weight.as_strided(weight.shape, (weight[0].numel(), 1, weight.shape[3], 1))
        return functional.conv2d(input, weight, self.bias, padding=self.padding)


def auxiliary_widths(spec: AuxiliarySpec, classes: int) -> tuple[int, ...]:
    """Widths of an auxiliary head's hidden layers, in units; none for a single layer.

    A hidden layer of at least as many units as classes always costs more parameters than no hidden layer, so the sizes of a
    `sized` head are in order whatever the cut.

    Example:
        >>> from heron_ray.spec.model import SizedAuxiliary
        >>> [auxiliary_widths(SizedAuxiliary(kind="sized", size=size), 10) for size in range(4)]
        [(), (10,), (20,), (40,)]
    """
    if isinstance(spec, LinearAuxiliary):
        return ()
    if isinstance(spec, MlpAuxiliary):
        return spec.widths
    return (classes * 2 ** (spec.size - 1),) if spec.size else ()


def _draw(layer: nn.Linear | nn.Conv2d, inputs: int, generator: torch.Generator) -> nn.Module:
    """Fill weight and bias on the CPU, then copy: the same values on every device."""
    if layer.weight.device.type != "meta":
        bound = 1 / math.sqrt(inputs)
        for parameter in layer.parameters():
            drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
            parameter.data.copy_(drawn)
    return layer
