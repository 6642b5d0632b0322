"""What happened to a trial, in the words that the bridge to Ray Tune understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialNews:
    """(round, validation accuracy) pairs in order, and whether the trial has ended after them."""

    scores: Sequence[tuple[int, float]]
    ended: bool
