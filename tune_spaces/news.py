"""What happened to a trial, in the words that the bridge to Ray Tune understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WORST: Final = -1e30
"""The score of what has no finite one: worse than every number that a figure can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialNews:
    """(round, score) pairs in order, whether the trial has ended after them, and what it then came to.

    A score is what the scheduler compares, more being better; without a scheduler there are none. `values` has one value per
    objective; None where the trial failed or does not report them all.
    """

    scores: Sequence[tuple[int, float]]
    ended: bool
    values: tuple[float, ...] | None = None
