"""What roles send one another: flat numpy arrays with a little bookkeeping.

Shapes: N = samples of all uploads in a message, U = uploads in it, K = clients in it, P = parameters of a client vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from heron_ray.measure.traffic import TrafficLedger
from heron_ray.vectors import Float32Array

ClientState = Mapping[str, Float32Array]
"""What a client keeps between its rounds: `OWN`, names that begin with `MEMORY`, and its optimizer's state by name."""

OWN, MEMORY = "own", "memory."
"""Under which names a client's own parts and its memory are kept."""


class Waiting(Enum):
    """Why a host handed a chunk back."""

    NOTHING = "the clients of the chunk are done"
    ROOM = "the message is full; the chunk goes on at the next call"
    REPLY = "a client of a coupled method waits for the main server's answer"
    COHORT = "every client of the chunk that is not done waits for the cohort's mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Smashed data z [N, *cut], labels y [N] and other arrays [N, ...] of U uploads of one round in canonical order.

    `clients` [U] says whose each is, `sizes` [U] of how many samples; `attackers` names the Byzantine ones, which a real server
    would not know: it counts what a defence got right.
    """

    round: int
    clients: tuple[int, ...]
    sizes: tuple[int, ...]
    z: Float32Array
    y: NDArray[np.int64]
    also: Mapping[str, Float32Array]
    attackers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """In place of K updates: the seeds and coefficients [K, h * q] of all steps, and the running statistics [K, S]."""

    seeds: NDArray[np.uint64]
    coefficients: Float32Array
    statistics: Float32Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """What K clients in canonical order end their round with.

    `vectors` [K, P] are their updates: shared parts minus the broadcast ones. None where `scripts` stand for them. `attackers`
    names the Byzantine ones: where they collude, their updates are forged only when all are known. `late` names those that
    arrive in a later round.
    """

    round: int
    clients: tuple[int, ...]
    samples: tuple[int, ...]
    vectors: Float32Array | None
    scripts: Scripts | None
    states: tuple[ClientState, ...]
    attackers: tuple[int, ...] = ()
    late: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the clients of a chunk sent since their host's last call: one object, of which each server reads its part in place.

    `scalars` are what each client put into the exchange it now waits at.
    """

    uploads: Uploads | None
    updates: Updates | None
    scalars: tuple[Float32Array, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFigures:
    """The loss differences of many probes: how many, how many were exactly zero, their sum and the sum of their squares."""

    count: int = 0
    zeros: int = 0
    sum: float = 0.0
    squares: float = 0.0

    def __add__(self, other: ProbeFigures) -> ProbeFigures:
        """Of both."""
        return ProbeFigures(
            count=self.count + other.count,
            zeros=self.zeros + other.zeros,
            sum=self.sum + other.sum,
            squares=self.squares + other.squares,
        )

    @property
    def root_mean_square(self) -> float:
        """Of the differences; 0 without any."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A chunk's bookkeeping: small, so the driver may read it. `losses` are those of clients that became done, by client.

    `has_updates` says whether the message that goes with it brings any. `probes` are those of clients that became done, one
    after another; empty where clients make none.
    """

    waiting: Waiting
    has_updates: bool
    losses: tuple[tuple[int, float], ...]
    traffic: TrafficLedger
    probes: tuple[ProbeFigures, ...] = ()
