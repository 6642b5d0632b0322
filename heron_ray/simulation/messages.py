"""What roles send one another: flat numpy arrays with a little bookkeeping.

Shapes: N = samples of all uploads in a message, U = uploads in it, K = clients in it, P = parameters of a client vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from heron_ray.measure.traffic import TrafficLedger
from heron_ray.vectors import Float32Array

ClientState = Mapping[str, Float32Array]
"""A client's optimizer state kept between its rounds: name to flat vector."""


class Waiting(Enum):
    """Why a host handed a chunk back."""

    NOTHING = "the clients of the chunk are done"
    ROOM = "the message is full; the chunk goes on at the next call"
    REPLY = "a client of a coupled method waits for the main server's dL/dz"
    COHORT = "every client of the chunk that is not done waits for the cohort's mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Smashed data z [N, *cut] and labels y [N] of U uploads in canonical order; `sizes` [U] says where each ends."""

    sizes: tuple[int, ...]
    z: Float32Array
    y: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """The updates [K, P] (client vector minus broadcast vector) of K clients in canonical order."""

    clients: tuple[int, ...]
    samples: tuple[int, ...]
    vectors: Float32Array
    states: tuple[ClientState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A chunk's bookkeeping: small, so the driver may read it. `losses` are those of clients that became done."""

    waiting: Waiting
    losses: tuple[float, ...]
    traffic: TrafficLedger
