"""What a client does to its messages before they are sent: the mechanisms of `privacy`, drawn by place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from heron_ray.privacy import clip_rows, release
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.spec.privacy import PrivacySpec, UpdatePrivacy
from heron_ray.vectors import Float32Array

Protect: TypeAlias = Callable[[Float32Array, int], Float32Array]
"""From smashed data, and which of an upload's these are, to those that are sent in their place."""


class Protection:
    """The clients' side of both mechanisms. An attacker's forgery comes after it.

    Args:
        spec: The mechanisms.
        seed: The experiment's.
    """

    def __init__(self, spec: PrivacySpec, seed: int) -> None:
        """Keep what it needs."""
        self._smashed, self._updates, self._seed = spec.smashed, spec.updates, seed

    def of_upload(self, round: int, client: int, upload: int) -> Protect | None:
        """What becomes of the smashed data of a client's upload of that index in the round; None: they stay as they are."""
        mechanism = self._smashed
        if mechanism is None:
            return None

        def protect(z: Float32Array, which: int) -> Float32Array:
            draw = generator(derive(self._seed, Purpose.SMASHED_NOISE, round, client, upload, which))
            return release(z, mechanism, draw)

        return protect

    def update(self, round: int, client: int, update: Float32Array) -> Float32Array:
        """What a client uploads in place of its update [P]: clipped, and noised unless the federation server does it."""
        mechanism = self._updates
        if mechanism is None:
            return update
        if mechanism.noise == "central":
            sent = clip_rows(update[None], mechanism.clip)
        else:
            sent = release(update[None], mechanism, generator(derive(self._seed, Purpose.UPDATE_NOISE, round, client)))
        return sent.reshape(-1)


def central_noise(mechanism: UpdatePrivacy, size: int, updates: int, seed: int, round: int) -> Float32Array:
    """What the federation server adds to the mean of so many clipped updates: N(0, (sigma C / n)^2) for each number [P]."""
    draw = generator(derive(seed, Purpose.UPDATE_NOISE, round))
    scale = mechanism.sigma * mechanism.clip / updates
    noise: Float32Array = (scale * draw.standard_normal(size)).astype("float32")
    return noise
