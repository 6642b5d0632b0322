"""Low-rank adapters (LoRA, Hu et al., arXiv 2106.09685): y = W x + (alpha / r) B A x, where A and B are trained and W is not.

W becomes a constant: a buffer that is not persistent, so it is neither perturbed, stepped, averaged nor sent. For a
convolution A is one of the same kernel, stride and padding with r outputs, and B a 1x1 convolution.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from heron_ray.models.layers import blank
from heron_ray.spec.lora import LoraSpec


class Adapted(nn.Module):
    """A frozen layer with a low-rank adapter, which begins as zero.

    Args:
        base: A fully connected layer or a convolution; it is frozen in place.
        spec: Rank r and alpha.
        generator: Source of A's initial values, U(-1/sqrt(n), 1/sqrt(n)) for n inputs per output, on the CPU.
    """

    def __init__(self, base: nn.Linear | nn.Conv2d, spec: LoraSpec, generator: torch.Generator) -> None:
        """Put the adapter beside the layer."""
        super().__init__()
        device = base.weight.device
        freeze(base)
        self.base = base
        self.down: nn.Linear | nn.Conv2d
        self.up: nn.Linear | nn.Conv2d
        if isinstance(base, nn.Linear):
            self.down = blank(nn.Linear, base.in_features, spec.rank, bias=False, device=device)
            self.up = blank(nn.Linear, spec.rank, base.out_features, bias=False, device=device)
        else:
            sizes = {"kernel_size": base.kernel_size, "stride": base.stride, "padding": base.padding}
            self.down = blank(nn.Conv2d, base.in_channels, spec.rank, **sizes, bias=False, device=device)
            self.up = blank(nn.Conv2d, spec.rank, base.out_channels, 1, bias=False, device=device)
        self._scale = spec.alpha / spec.rank
        if device.type != "meta":
            bound = 1 / math.sqrt(math.prod(base.weight.shape[1:]))
            drawn = torch.empty(self.down.weight.shape).uniform_(-bound, bound, generator=generator)
            self.down.weight.data.copy_(drawn)
            self.up.weight.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """The formula above."""
        y: Tensor = self.base(x)
        return y.add_(self.up(self.down(x)), alpha=self._scale)


def adapt(module: nn.Module, spec: LoraSpec, generator: torch.Generator) -> None:
    """Freeze everything in a module, and adapt its fully connected layers and convolutions.

    Args:
        module: Changed in place.
        spec: Rank and alpha of all adapters.
        generator: Source of their initial values.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear | nn.Conv2d):
            setattr(module, name, Adapted(child, spec, generator))
        else:
            adapt(child, spec, generator)
            freeze(child)


def freeze(module: nn.Module) -> None:
    """Turn the parameters that lie in a module itself into constants; whoever shares one goes on sharing its values."""
    for name, parameter in list(module._parameters.items()):
        if parameter is not None:
            del module._parameters[name]
            module.register_buffer(name, parameter.detach(), persistent=False)
