"""What the federation server can tell of single updates at little cost: norms, agreement, and whom the rule left out.

It changes nothing: these figures go to the diagnoses alone, into no series and no digest. Shapes: K = updates, P = parameters,
S = 256 numbers of a sketch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_ray.vectors import Float32Array

SKETCH = 256
"""Numbers S that stand for an update of P: the cosine of two sketches is that of the updates give or take 1 / sqrt(S) = .06,
and exact where P is no larger. A kilobyte per client and round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrutiny:
    """The updates of one round, in the order in which they came.

    Attributes:
        clients: Whose they are [K].
        norms: Their Euclidean norms [K]; infinite for what is not finite.
        cosines: Between each and the sum of the others, by their sketches [K]; 0 where either is zero or not finite.
        left_out: The clients whose update had no part in the result.
    """

    clients: tuple[int, ...]
    norms: tuple[float, ...]
    cosines: tuple[float, ...]
    left_out: tuple[int, ...]


class Scrutineer:
    """Looks at updates as they come, and keeps a sketch of each until the round ends.

    A sketch adds the coordinates j, j + S, j + 2S, ... of an update, each with a sign of its own: a count sketch (Charikar et
    al., 2002) with j mod S as its hash. The signs come from one fixed sequence: they are no draw of the experiment.

    Args:
        size: P.
    """

    def __init__(self, size: int) -> None:
        """Nothing has come."""
        self._size = size
        self._signs: Float32Array | None = None
        self._clients: list[int] = []
        self._sketches: list[Float32Array] = []
        self._norms: list[float] = []

    def see(self, clients: Sequence[int], updates: Float32Array) -> None:
        """Take updates [K, P] and whose they are."""
        self._clients += clients
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("kp,kp->k", updates, updates)
            self._sketches += [*self._sketch(updates)]
        self._norms += [float(np.sqrt(square)) if np.isfinite(square) else float("inf") for square in squares]

    def report(self, left_out: Sequence[int]) -> Scrutiny:
        """What was seen, with the places that the rule left out; leaves nothing behind."""
        clients, norms, sketches = tuple(self._clients), tuple(self._norms), self._sketches
        self._clients, self._norms, self._sketches = [], [], []
        return Scrutiny(
            clients=clients,
            norms=norms,
            cosines=_against_the_others(np.array(sketches, dtype=np.float64)) if sketches else (),
            left_out=tuple(clients[place] for place in left_out if place < len(clients)),
        )

    def _sketch(self, updates: Float32Array) -> Float32Array:
        """The sketches [K, S]."""
        if self._size <= SKETCH:
            return updates
        if self._signs is None:
            drawn = np.random.Generator(np.random.SFC64(SKETCH)).integers(0, 2, self._size, dtype=np.int8)
            self._signs = (2 * drawn - 1).astype(np.float32)
        signed = updates * self._signs
        whole = self._size // SKETCH * SKETCH
        sketches: Float32Array = signed[:, :whole].reshape(len(updates), whole // SKETCH, SKETCH).sum(axis=1)
        sketches[:, : self._size - whole] += signed[:, whole:]
        return sketches


def _against_the_others(sketches: NDArray[np.float64]) -> tuple[float, ...]:
    finite: NDArray[np.bool_] = np.all(np.isfinite(sketches), axis=1)
    clean = np.where(finite[:, None], sketches, 0)
    others = clean.sum(axis=0) - clean
    lengths = np.sqrt(np.square(clean).sum(axis=1) * np.square(others).sum(axis=1))
    inner = (clean * others).sum(axis=1)
    cosines: NDArray[np.float64] = np.divide(inner, lengths, out=np.zeros_like(inner), where=lengths > 0)
    return tuple(cosines.tolist())
