"""The convolutional network, cut after any stage.

Shapes: B = batch, K = channels, H, W = height and width, halved (rounded down) by each stage.

    front      x [B, K, H, W]  ->  z [B, K_cut, H / 2^s, W / 2^s]         s stages of the client
    auxiliary  z  ->  flattened  ->  logits [B, C]
    back       z  ->  the other stages  ->  flattened  ->  fully connected  ->  logits [B, C]
"""

from __future__ import annotations

import torch
from torch import nn

from heron_ray.models.layers import auxiliary_widths, convolution_stages, dense_stack
from heron_ray.models.split import SplitModel
from heron_ray.spec.model import CnnModel


def build_cnn(
    spec: CnnModel, input_shape: tuple[int, ...], classes: int, generator: torch.Generator, device: torch.device
) -> SplitModel:
    """Build the three parts on `device`, initialised like torch's own layers but from `generator`."""
    channels, height, width = input_shape
    client, server = spec.stages[: spec.client_stages], spec.stages[spec.client_stages :]

    def flat(stages: int) -> int:
        return spec.stages[stages - 1] * (height >> stages) * (width >> stages)

    front = convolution_stages([channels, *client], generator, device)
    auxiliary = [flat(len(client)), *auxiliary_widths(spec.auxiliary, classes), classes]
    return SplitModel(
        front=front,
        auxiliary=nn.Sequential(nn.Flatten(), *dense_stack(auxiliary, generator, device, logits=True)),
        back=nn.Sequential(
            *convolution_stages([client[-1], *server], generator, device),
            nn.Flatten(),
            *dense_stack([flat(len(spec.stages)), *spec.head, classes], generator, device, logits=True),
        ),
    )
