"""The multi-layer perceptron, cut after any hidden layer."""

from __future__ import annotations

import math

import torch
from torch import nn

from heron_ray.models.layers import auxiliary_widths, dense_stack
from heron_ray.models.split import SplitModel
from heron_ray.spec.model import MlpModel


def build_mlp(
    spec: MlpModel, input_shape: tuple[int, ...], classes: int, generator: torch.Generator, device: torch.device
) -> SplitModel:
    """Build the three parts on `device`, initialised like torch's own layers but from `generator`."""
    features = math.prod(input_shape)
    client, server = spec.hidden[: spec.client_layers], spec.hidden[spec.client_layers :]
    cut = client[-1]
    front = dense_stack([features, *client], generator, device, logits=False)
    return SplitModel(
        front=nn.Sequential(nn.Flatten(-len(input_shape)), *front) if len(input_shape) > 1 else front,
        auxiliary=dense_stack([cut, *auxiliary_widths(spec.auxiliary, classes), classes], generator, device, logits=True),
        back=dense_stack([cut, *server, classes], generator, device, logits=True),
    )
