"""Directions of probes: three laws, each drawn from a seed and so drawn again at will, piece by piece.

On the CPU, normal draws come from torch's generator, which is about three times faster than numpy's; it uses the low 32
bits of a seed, so among n draws two coincide with probability of about n^2 / 2^33, and a coincidence only repeats
a direction in an unrelated step. Random signs come from numpy's SFC64 bits, the cheapest source measured.
Shapes: P = parameters, L = length of a piece.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from heron_ray.seeds import generator
from heron_ray.spec.method import DirectionLaw

PIECE = 2**16
"""Numbers drawn at a time. Part of every recorded trajectory: it decides which bits belong to which coordinate."""


_SIGNS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32) * 2 - 1
"""The eight signs that each byte stands for, [256, 8]: looking them up is faster than unpacking bits."""


def estimate_scale(law: DirectionLaw, size: int) -> float:
    """The factor that makes `(difference / mu) * u` estimate the gradient: 1 / E[u_i^2].

    It is d on the unit sphere, where E[u u^T] = I / d, and 1 for N(0, I) and for random signs, where E[u u^T] = I.

    Example:
        >>> estimate_scale("sphere", 100), estimate_scale("gaussian", 100)
        (100.0, 1.0)
    """
    return float(size) if law == "sphere" else 1.0


def pieces(size: int) -> list[slice]:
    """How a direction [P] is cut: slices of PIECE numbers, the last one shorter.

    Example:
        >>> [piece.stop for piece in pieces(100_000)]
        [65536, 100000]
    """
    return [slice(start, min(start + PIECE, size)) for start in range(0, size, PIECE)]


class DirectionStream:
    """The direction that belongs to a seed, piece after piece, before it is brought to unit length.

    Args:
        law: sphere and gaussian draw N(0, 1), rademacher draws signs.
        seed: A derived 64-bit seed.
        device: Where pieces are filled; on the meta device nothing is drawn.
    """

    def __init__(self, law: DirectionLaw, seed: int, device: torch.device) -> None:
        """Seed a generator."""
        self._signs = generator(seed) if law == "rademacher" else None
        self._normal = None if law == "rademacher" or device.type == "meta" else torch.Generator(device).manual_seed(seed)

    def fill(self, out: Tensor) -> Tensor:
        """Fill `out` [L] with the next piece, and return it."""
        if out.is_meta:
            return out
        if self._signs is None:
            return out.normal_(generator=self._normal)
        size = out.numel()
        whole, rest = divmod(size, 8)
        signs = self._signs.bit_generator.random_raw(-(-size // 64)).view(np.uint8)
        values = np.empty(size, dtype=np.float32) if out.is_cuda else out.numpy()
        _SIGNS.take(signs[:whole], axis=0, mode="clip", out=values[: 8 * whole].reshape(whole, 8))
        values[8 * whole :] = _SIGNS[signs[-(-size // 8) - 1], :rest]
        return out.copy_(torch.from_numpy(values)) if out.is_cuda else out
