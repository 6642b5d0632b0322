"""Curves cut down to what an eye can see: what is left of one, into how many pieces it is cut, which are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledCurve:
    """One series of one experiment, whole or thinned.

    Attributes:
        rounds: In order.
        values: `values[i]` belongs to `rounds[i]`; None where it was not finite.
        total: How many points the curve has in the rounds that were asked for.
        not_finite: How many of those are not finite.
    """

    rounds: Sequence[int]
    values: Sequence[float | None]
    total: int
    not_finite: int

    @property
    def thinned(self) -> bool:
        """Whether points were left out."""
        return len(self.rounds) < self.total


def bucket_count(points: int, *, has_gaps: bool) -> int:
    """Into how many pieces a curve is cut so that at most `points` points stay: two or three of each, first and last.

    >>> bucket_count(1000, has_gaps=False), bucket_count(1000, has_gaps=True)
    (499, 332)
    """
    return (points - 2) // (3 if has_gaps else 2)


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that equal or match one of the patterns (`*`, `?`, `[...]`), sorted; all where no pattern is given.

    >>> matching(["bytes_up", "bytes_down", "loss"], ["bytes_*"])
    ['bytes_down', 'bytes_up']
    """
    if not patterns:
        return sorted(names)
    return sorted(name for name in names if any(name == wanted or fnmatchcase(name, wanted) for wanted in patterns))
