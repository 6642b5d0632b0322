"""The Gaussian mechanism: L2 clipping, then normal noise. Shapes: B = rows, each of which is protected by itself."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from heron_ray.spec.privacy import GaussianMechanism
from heron_ray.vectors import Float32Array


def clip_rows(rows: Float32Array, clip: float) -> Float32Array:
    """Each row scaled down to an L2 norm of at most C, as z min(1, C / |z|).

    Args:
        rows: [B, ...]; a row's norm is that of all its numbers. One that is not finite does not become so.
        clip: C.

    Example:
        >>> clip_rows(np.array([[3.0, 4.0], [0.3, 0.4]], dtype=np.float32), 1.0).round(3).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.30000001192092896, 0.4000000059604645]]
    """
    norms = np.sqrt(np.square(rows.reshape(len(rows), -1), dtype=np.float64).sum(axis=1))
    factors = (clip / np.maximum(norms, clip)).reshape(-1, *[1] * (rows.ndim - 1))
    with np.errstate(invalid="ignore"):  # infinity times nothing: the run's own check finds what is not a number
        clipped: Float32Array = (rows * factors).astype(np.float32)
    return clipped


def release(rows: Float32Array, mechanism: GaussianMechanism, draw: np.random.Generator) -> Float32Array:
    """What is sent in place of rows [B, ...]: clipped to C, with N(0, (sigma C)^2) added to every number."""
    noise = draw.standard_normal(rows.shape, dtype=np.float32)
    return clip_rows(rows, mechanism.clip) + np.float32(mechanism.sigma * mechanism.clip) * noise


class ClipSamples(nn.Module):
    """Clips smashed data [B, *cut] sample by sample, as clients do before they add noise; no derivative is asked for.

    Args:
        clip: C.
    """

    def __init__(self, clip: float) -> None:
        """No parameters."""
        super().__init__()
        self._clip = clip

    def forward(self, z: Tensor) -> Tensor:
        """Clip."""
        return torch.from_numpy(clip_rows(z.detach().cpu().numpy(), self._clip)).to(z.device)
