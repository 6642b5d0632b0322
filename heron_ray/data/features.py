"""Feature skew: what a client's samples go through whenever a batch is made of them. No client has a copy of its data.

    rotation   the image turned about its centre by degrees * i / N for client i of N, bilinear; beyond its edge it goes on as
               at the edge (rotated clients: Ghosh et al., arXiv 2006.04088)
    noise      x + sigma (i + 1) / N * e, e ~ N(0, I) drawn once for each client and sample (Li et al., NIID-Bench,
               arXiv 2102.02079)
    colour     x_c * (1 + a_c) + b_c for each channel c, a_c and b_c ~ U(-strength, strength) drawn once for each client

in the units of the normalised samples. Shapes: B = batch, then the sample's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from heron_ray.data.partition import Indices
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.partition import ColourTransform, FeaturePartition, NoiseTransform, RotationTransform

Transform: TypeAlias = Callable[[Tensor, Indices, int], Tensor]
"""From samples [B, ...], their indices [B] among the training samples and a client's number to what it sees [B, ...]."""


def make_transform(spec: ExperimentSpec) -> Transform | None:
    """What a spec's clients see their samples through; None where they see them as they are.

    A function of the spec, the client and the sample alone: the same in every process, round and step.
    """
    if not isinstance(spec.partition, FeaturePartition):
        return None
    transform, shape = spec.partition.transform, spec.data.image_shape
    if isinstance(transform, NoiseTransform):
        return partial(_add_noise, transform, spec)
    assert shape is not None  # noqa: S101 - the spec refuses the other two where samples are no images
    if isinstance(transform, RotationTransform):
        return partial(_on_images, partial(_rotate, transform, spec), shape)
    return partial(_on_images, partial(_colour, transform, spec), shape)


def _on_images(
    see: Callable[[Tensor, int], Tensor], shape: tuple[int, int, int], x: Tensor, indices: Indices, client: int
) -> Tensor:
    """Samples [B, ...] as images [B, channels, height, width], and back."""
    return see(x.reshape(-1, *shape), client).reshape(x.shape)


def _rotate(transform: RotationTransform, spec: ExperimentSpec, x: Tensor, client: int) -> Tensor:
    angle = math.radians(transform.degrees * client / spec.clients.count)
    height, width = x.shape[-2:]
    # From places in the result to places in the image, both in units of half a side.
    back = [
        [math.cos(angle), -math.sin(angle) * height / width, 0.0],
        [math.sin(angle) * width / height, math.cos(angle), 0.0],
    ]
    grid = functional.affine_grid(torch.tensor(back).expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _add_noise(transform: NoiseTransform, spec: ExperimentSpec, x: Tensor, indices: Indices, client: int) -> Tensor:
    deviation = np.float32(transform.sigma * (client + 1) / spec.clients.count)
    noise = np.empty(x.shape, dtype=np.float32)
    for row, index in enumerate(indices.tolist()):
        draw = generator(derive(spec.seed, Purpose.FEATURES, client, index))
        noise[row] = draw.standard_normal(x.shape[1:], dtype=np.float32)
    return x + torch.from_numpy(noise * deviation)


def _colour(transform: ColourTransform, spec: ExperimentSpec, x: Tensor, client: int) -> Tensor:
    draw = generator(derive(spec.seed, Purpose.FEATURES, client))
    stretch, shift = draw.uniform(-transform.strength, transform.strength, (2, x.shape[1], 1, 1)).astype(np.float32)
    return x * torch.from_numpy(1 + stretch) + torch.from_numpy(shift)
