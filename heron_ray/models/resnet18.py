"""ResNet-18 (1512.03385), cut after the stem or after any of its eight residual blocks.

The network and its initial law are torchvision's: four stages of two blocks with w, 2w, 4w and 8w channels; every stage but
the first halves height and width (rounded up). Shapes: B = batch, K = channels, H, W = height and width.

    front      x [B, K, H, W]  ->  stem  ->  the first blocks  ->  z [B, K_cut, H_cut, W_cut]
    auxiliary  z  ->  flattened, or averaged over height and width, perhaps after blocks of its own  ->  logits [B, C]
    back       z  ->  the other blocks  ->  averaged over height and width  ->  fully connected  ->  logits [B, C]

Where nothing asks for a gradient, a block computes the same values in less memory: see `_Block`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import torch
from torch import Tensor, nn

from heron_ray.models.layers import blank, dense_stack
from heron_ray.models.normalisation import BatchNorm
from heron_ray.models.split import SplitModel
from heron_ray.spec.model import BlocksAuxiliary, FlatLinearAuxiliary, Resnet18Model

CHUNK: Final = 16
"""Samples that a lean forward pass convolves at once: part of every recorded trajectory."""

_PLAIN: ContextVar[bool] = ContextVar("plain_forwards", default=False)


@contextmanager
def plain_forwards() -> Iterator[None]:
    """Within, a forward pass without gradients holds what torch's own layers would hold: the paper's way of counting."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def build_resnet18(
    spec: Resnet18Model, input_shape: tuple[int, ...], classes: int, generator: torch.Generator, device: torch.device
) -> SplitModel:
    """Build the three parts on `device`, initialised by torchvision's law but from `generator`."""
    channels = spec.channels
    front = nn.Sequential(_stem(spec, input_shape[0], generator, device), *_blocks(channels[: spec.cut + 1], generator, device))
    auxiliary: nn.Module
    if isinstance(spec.auxiliary, FlatLinearAuxiliary):
        height, width = spec.cut_size(input_shape)
        auxiliary = nn.Sequential(nn.Flatten(), *_linear(channels[spec.cut] * height * width, classes, generator, device))
    else:
        blocks = spec.auxiliary.blocks if isinstance(spec.auxiliary, BlocksAuxiliary) else 0
        auxiliary = _pooled_head(channels[spec.cut : spec.cut + blocks + 1], classes, generator, device)
    return SplitModel(front=front, auxiliary=auxiliary, back=_pooled_head(channels[spec.cut :], classes, generator, device))


class _ConvolutionNorm(nn.Module):
    """A convolution and its normalisation, [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, generator: torch.Generator, device: torch.device
    ) -> None:
        super().__init__()
        self.convolution = _convolution(inputs, outputs, kernel, stride, generator, device)
        self.norm = BatchNorm(outputs, device)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous()  # images may come channels last, and what leaves must be in the default order
        if _is_lean(self, x):
            return self.norm.normalise_(_in_chunks(self.convolution, x))
        normalised: Tensor = self.norm(self.convolution(x))
        return normalised


class _Block(nn.Module):
    """Two convolutions beside a shortcut; where channels double, height and width are halved.

    Where a gradient is wanted, every step but the two ReLUs and the sum makes a tensor of its own. Where none is, everything
    is written over the first convolution's output, so a block holds its input, that output and one chunk: a
    convolution treats every sample by itself, so the second one can write its samples back chunk by chunk. The input belongs
    to the caller and is never written to.
    """

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator, device: torch.device) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.convolution1 = _convolution(inputs, outputs, 3, stride, generator, device)
        self.norm1 = BatchNorm(outputs, device)
        self.convolution2 = _convolution(outputs, outputs, 3, 1, generator, device)
        self.norm2 = BatchNorm(outputs, device)
        self.shortcut = _ConvolutionNorm(inputs, outputs, 1, stride, generator, device) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        if _is_lean(self, x):
            out = self.norm1.normalise_(_in_chunks(self.convolution1, x)).relu_()
            out = self.norm2.normalise_(_in_chunks(self.convolution2, out, out=out))
        else:
            out = self.norm1(self.convolution1(x)).relu_()
            out = self.convolution2(out)
            out = self.norm2(out)
        out += x if self.shortcut is None else self.shortcut(x)
        return out.relu_()


def _is_lean(module: nn.Module, x: Tensor) -> bool:
    """Whether `module` overwrites what it computed: nobody will ask for a gradient, and no card would be slowed down by it."""
    wants_gradient = x.requires_grad or any(parameter.requires_grad for parameter in module.parameters())
    return not (_PLAIN.get() or x.is_cuda or (torch.is_grad_enabled() and wants_gradient))


def _in_chunks(layer: nn.Module, x: Tensor, out: Tensor | None = None) -> Tensor:
    """layer(x), CHUNK samples at a time, in default order; written to `out`, which may be x, or else to a new tensor."""
    for start, chunk in zip(range(0, len(x), CHUNK), x.split(CHUNK), strict=True):
        values = layer(chunk)
        if out is None:
            out = values.new_empty(len(x), *values.shape[1:])
        out[start : start + CHUNK] = values
        del values  # before the next chunk is computed
    assert out is not None, "a batch holds a sample"  # noqa: S101 - for the type checker
    return out


def _stem(spec: Resnet18Model, inputs: int, generator: torch.Generator, device: torch.device) -> nn.Sequential:
    if spec.stem == "cifar":
        return nn.Sequential(_ConvolutionNorm(inputs, spec.width, 3, 1, generator, device), nn.ReLU(inplace=True))
    convolution = _ConvolutionNorm(inputs, spec.width, 7, 2, generator, device)
    return nn.Sequential(convolution, nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1))


def _blocks(channels: Sequence[int], generator: torch.Generator, device: torch.device) -> list[nn.Module]:
    return [_Block(inputs, outputs, generator, device) for inputs, outputs in itertools.pairwise(channels)]


def _pooled_head(channels: Sequence[int], classes: int, generator: torch.Generator, device: torch.device) -> nn.Sequential:
    """Blocks from `channels[0]` to `channels[-1]` channels, the mean over height and width, and a fully connected layer."""
    blocks = _blocks(channels, generator, device)
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *_linear(channels[-1], classes, generator, device))


def _linear(inputs: int, classes: int, generator: torch.Generator, device: torch.device) -> nn.Sequential:
    return dense_stack([inputs, classes], generator, device, logits=True)


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int, generator: torch.Generator, device: torch.device
) -> nn.Conv2d:
    """A convolution without bias, its weights normal with variance 2 / (outputs kernel^2), drawn on the CPU."""
    layer = blank(nn.Conv2d, inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False, device=device)
    if device.type != "meta":
        drawn = torch.empty(layer.weight.shape)
        nn.init.kaiming_normal_(drawn, mode="fan_out", nonlinearity="relu", generator=generator)
        layer.weight.data.copy_(drawn)
    return layer
