"""Every random draw of a simulation comes from a seed derived here, never from global state.

A seed is a pure function of (experiment seed, purpose, indices such as round, client, step, probe), so a draw does not
depend on who makes it, when, or what was drawn before.
"""

from __future__ import annotations

import hashlib
import struct
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a seed is for. Numbers are part of every recorded trajectory: never reuse or renumber one."""

    DATA = 1
    PARTITION = 2
    MODEL = 3
    COHORT = 4
    BATCH = 5
    DIRECTION = 6
    BYZANTINE = 7
    ATTACK = 8
    SERVER_DIRECTION = 9
    DIAGNOSIS = 10
    ADAPTERS = 11
    SPECTRUM = 20
    AGGREGATION = 21
    ROOT = 22
    FEATURES = 30
    DEVICE = 40
    LINK = 41
    AVAILABILITY = 42
    DROPOUT = 43
    SMASHED_NOISE = 70
    UPDATE_NOISE = 71
    LEAKAGE = 72
    INVERSION = 73


def derive(seed: int, purpose: Purpose, *indices: int) -> int:
    """A 64-bit seed for one purpose and place.

    Args:
        seed: The experiment's seed.
        purpose: What the draw is for.
        indices: Where it is made, for example round, client, step and probe.

    Example:
        >>> derive(0, Purpose.BATCH, 1, 2) == derive(0, Purpose.BATCH, 1, 2)
        True
        >>> derive(0, Purpose.BATCH, 1, 2) == derive(0, Purpose.BATCH, 2, 1)
        False
    """
    packed = struct.pack(f"<{len(indices) + 2}q", seed, purpose, *indices)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little")


def generator(seed: int) -> np.random.Generator:
    """A numpy generator for a derived seed."""
    return np.random.Generator(np.random.SFC64(seed))
