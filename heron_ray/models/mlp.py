"""The multi-layer perceptron, cut after any hidden layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from heron_ray.models.split import SplitModel
from heron_ray.spec.model import LinearAuxiliary, MlpModel


def build_mlp(
    spec: MlpModel, input_shape: tuple[int, ...], classes: int, generator: torch.Generator, device: torch.device
) -> SplitModel:
    """Build the three parts on `device`, initialised like torch's own layers but from `generator`."""
    features = math.prod(input_shape)
    client, server = spec.hidden[: spec.client_layers], spec.hidden[spec.client_layers :]
    cut = client[-1]
    auxiliary = () if isinstance(spec.auxiliary, LinearAuxiliary) else spec.auxiliary.widths

    def stack(widths: Sequence[int], *, logits: bool) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [_linear(inputs, outputs, generator, device), nn.ReLU(inplace=True)]
        return nn.Sequential(*(layers[:-1] if logits else layers))

    front = stack([features, *client], logits=False)
    return SplitModel(
        front=nn.Sequential(nn.Flatten(), *front) if len(input_shape) > 1 else front,
        auxiliary=stack([cut, *auxiliary, classes], logits=True),
        back=stack([cut, *server, classes], logits=True),
    )


def _linear(inputs: int, outputs: int, generator: torch.Generator, device: torch.device) -> nn.Linear:
    """A linear layer with torch's default law, U(-1/sqrt(inputs), 1/sqrt(inputs)), drawn on the CPU from `generator`."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, device=device)
    if device.type != "meta":
        bound = 1 / math.sqrt(inputs)
        for parameter in (layer.weight, layer.bias):
            drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
            parameter.data.copy_(drawn)
    return layer
