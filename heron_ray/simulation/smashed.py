"""Smashed data for those who look at a model between rounds: of samples drawn at random, in evaluation mode."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from heron_ray.simulation.setup import Setup


def draw_rows(draw: np.random.Generator, count: int, most: int) -> Tensor:
    """Which of `count` samples are looked at, at most so many, none twice."""
    return torch.from_numpy(draw.choice(count, size=min(most, count), replace=False))


def smashed(setup: Setup, front: nn.Module, x: Tensor) -> Tensor:
    """The front model's output [n, *cut] for x [n, *input], normalised by running statistics, on the CPU."""
    device, was_training = torch.device(setup.spec.compute.device), front.training
    front.eval()
    with torch.no_grad():
        z = torch.cat([front(part.to(device)).cpu() for part in x.split(setup.spec.evaluation.batch_size)])
    front.train(was_training)
    return z
