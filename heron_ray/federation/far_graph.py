"""Leaving out few vectors so that no two of those that stay are far apart: a minimum vertex cover, found exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class FarGraph:
    """n vectors and which pairs of them are far apart. Sets of vectors are the bits of an integer."""

    def __init__(self, far: NDArray[np.bool_]) -> None:
        """Take a symmetric matrix [n, n]."""
        packed = np.packbits(far, axis=1, bitorder="little")
        self._far = [int.from_bytes(row.tobytes(), "little") for row in packed]
        self._all = (1 << len(far)) - 1

    def can_part(self, f: int) -> bool:
        """Whether leaving out at most f vectors parts all far pairs."""
        return self._coverable(self._all, f)

    def first_that_stay(self, f: int) -> list[int]:
        """Those that stay when at most f are left out, the first in the order of clients that can be."""
        staying, left = self._all, f
        for one in range(len(self._far)):
            if not staying >> one & 1:
                continue
            apart = self._far[one] & staying
            # A vector may stay where all that are far from it can go, and the rest can still be parted.
            undecided = staying >> one << one
            if apart and not self._may_stay(undecided & ~(1 << one), apart, left):
                apart = 1 << one
            staying &= ~apart
            left -= apart.bit_count()
        return list(_members(staying))

    def _may_stay(self, others: int, apart: int, left: int) -> bool:
        return self._coverable(others & ~apart, left - apart.bit_count())

    def _coverable(self, vectors: int, budget: int) -> bool:
        """Whether at most `budget` of `vectors` can be left out so that no two of the rest are far apart."""
        while True:
            degrees = {one: (self._far[one] & vectors).bit_count() for one in _members(vectors)}
            degrees = {one: degree for one, degree in degrees.items() if degree}
            if not degrees:
                return budget >= 0
            most = max(degrees, key=degrees.__getitem__)
            if sum(degrees.values()) > 2 * budget * degrees[most]:
                return False
            vectors = sum(1 << one for one in degrees)
            leaf = next((one for one, degree in degrees.items() if degree == 1), None)
            if degrees[most] > budget:
                vectors &= ~(1 << most)  # to keep it, more than the budget would have to go
            elif leaf is not None:
                vectors &= ~(self._far[leaf] & vectors)  # the one far from it parts at least as many pairs
            else:
                break
            budget -= 1
        if degrees[most] == 2:
            return budget >= sum(-(-size // 2) for size in self._ring_sizes(vectors))
        without = vectors & ~(1 << most)
        apart = self._far[most] & vectors
        return self._coverable(without, budget - 1) or self._coverable(without & ~apart, budget - apart.bit_count())

    def _ring_sizes(self, vectors: int) -> Iterator[int]:
        """Where every vector is far from two others, these are rings; half of each, rounded up, must go."""
        while vectors:
            ring = vectors & -vectors
            while (grown := ring | _union(self._far[one] & vectors for one in _members(ring))) != ring:
                ring = grown
            yield ring.bit_count()
            vectors &= ~ring


def _members(vectors: int) -> Iterator[int]:
    while vectors:
        lowest = vectors & -vectors
        yield lowest.bit_length() - 1
        vectors ^= lowest


def _union(sets: Iterator[int]) -> int:
    union = 0
    for one in sets:
        union |= one
    return union
