"""Directions of probes: three laws, each drawn from a seed and so drawn again at will.

On the CPU, normal draws come from torch's generator, which is about three times faster than numpy's; it uses the low 32
bits of a seed, so among n draws two coincide with probability of about n^2 / 2^33, and a coincidence only repeats
a direction in an unrelated step. Random signs come from numpy's SFC64 bits, the cheapest source measured.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from heron_ray.seeds import generator

DirectionLaw: TypeAlias = Literal["sphere", "gaussian", "rademacher"]


def estimate_scale(law: DirectionLaw, size: int) -> float:
    """The factor that makes `(difference / mu) * u` estimate the gradient: 1 / E[u_i^2].

    It is d on the unit sphere, where E[u u^T] = I / d, and 1 for N(0, I) and for random signs, where E[u u^T] = I.

    Example:
        >>> estimate_scale("sphere", 100), estimate_scale("gaussian", 100)
        (100.0, 1.0)
    """
    return float(size) if law == "sphere" else 1.0


def draw_direction(law: DirectionLaw, seed: int, out: Tensor) -> Tensor:
    """Fill `out` [P] with the direction u that belongs to `seed`, and return it.

    Args:
        law: sphere (uniform on the unit sphere), gaussian (N(0, I)) or rademacher (random signs).
        seed: A derived 64-bit seed.
        out: A float32 vector on any device; on the meta device nothing is drawn.
    """
    if out.is_meta:
        return out
    if law == "rademacher":
        return _draw_signs(seed, out)
    out.normal_(generator=torch.Generator(out.device).manual_seed(seed))
    if law == "sphere":
        out.div_(torch.linalg.vector_norm(out))
    return out


def _draw_signs(seed: int, out: Tensor) -> Tensor:
    size = out.numel()
    bits = np.unpackbits(np.frombuffer(generator(seed).bytes(-(-size // 8)), dtype=np.uint8), count=size)
    return out.copy_(torch.from_numpy(bits)).mul_(2).sub_(1)
