"""Directions of probes: three laws, each drawn from a seed and so drawn again at will, piece by piece.

On the CPU, normal draws come from torch's generator, which is about three times faster than numpy's; it uses the low 32
bits of a seed, so among n draws two coincide with probability of about n^2 / 2^33, and a coincidence only repeats
a direction in an unrelated step. Random signs come from numpy's SFC64 bits, the cheapest source measured. A card draws both
by itself.
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

CUDA_PIECE = 2**20
"""The same on a card, where a short piece takes as many launches as a long one, and each as long as the piece itself."""


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


def piece_length(device: torch.device) -> int:
    """How many numbers are drawn at a time on a device."""
    return CUDA_PIECE if device.type == "cuda" else PIECE


def pieces(size: int, length: int) -> list[slice]:
    """How a direction [P] is cut: slices of `length` numbers, the last one shorter.

    Example:
        >>> [piece.stop for piece in pieces(100_000, PIECE)]
        [65536, 100000]
    """
    return [slice(start, min(start + length, size)) for start in range(0, size, length)]


class DirectionStream:
    """The direction that belongs to a seed, piece after piece, before it is brought to unit length.

    Args:
        law: sphere and gaussian draw N(0, 1), rademacher draws signs.
        seed: A derived 64-bit seed.
        device: Where pieces are filled; on the meta device nothing is drawn.
    """

    def __init__(self, law: DirectionLaw, seed: int, device: torch.device) -> None:
        """Seed a generator."""
        self._law = law
        self._bits = generator(seed) if law == "rademacher" and device.type == "cpu" else None
        self._generator = None if self._bits or device.type == "meta" else torch.Generator(device).manual_seed(seed)

    def fill(self, out: Tensor) -> Tensor:
        """Fill `out` [L] with the next piece, and return it."""
        if out.is_meta:
            return out
        if self._law != "rademacher":
            return out.normal_(generator=self._generator)
        if self._bits is None:
            return out.random_(2, generator=self._generator).mul_(2).sub_(1)
        size = out.numel()
        whole, rest = divmod(size, 8)
        signs, values = self._bits.bit_generator.random_raw(-(-size // 64)).view(np.uint8), out.numpy()
        _SIGNS.take(signs[:whole], axis=0, mode="clip", out=values[: 8 * whole].reshape(whole, 8))
        values[8 * whole :] = _SIGNS[signs[-(-size // 8) - 1], :rest]
        return out
