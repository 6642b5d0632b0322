"""`Desk`: where Ray Tune's proxies and the dispatcher meet. No Ray here.

Proxies ask for trials and wait for news of them; the dispatcher learns what is asked for and brings the news. What it learns
is always the whole of it, and news may be brought twice, so that a call that was lost is simply made again. A search that
learns puts down here what it proposes, and finds here what trials came to.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_spaces.news import TrialNews

HOLD_S = 30.0
"""How long a trial that was begun too early waits for those before it. Tune begins trials in order, but its proxies come up in
any order; a proxy that never comes up must not hold the others back for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What Tune wants: the trials it has begun, those of them that it wants no more of, and those proposed since the start."""

    begun: tuple[int, ...]
    unwanted: tuple[int, ...]
    proposed: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class _Trial:
    begun_at: float = field(default_factory=time.monotonic)
    scores: dict[int, float] = field(default_factory=dict)
    ended: bool = False
    values: tuple[float, ...] | None = None


class Desk:
    """Thread safe.

    Args:
        numbers: The trials that Tune is given first, in order.
        then_from: The number of the first trial after them; the others follow it.
    """

    def __init__(self, numbers: Iterable[int] = (), *, then_from: int = 1) -> None:
        """Nothing is asked for."""
        self._numbers, self._then_from = tuple(numbers), then_from
        self._changed = threading.Condition()
        self._begun: dict[int, _Trial] = {}
        self._unwanted: set[int] = set()
        self._proposed: list[dict[str, Any]] = []

    def submit(self, number: int) -> None:
        """A proxy begins a trial, or begins it again."""
        with self._changed:
            self._begun.setdefault(number, _Trial())
            self._changed.notify_all()

    def stop(self, number: int) -> None:
        """A proxy wants no more of a trial; if it still runs, it should end."""
        with self._changed:
            self._unwanted.add(number)

    def events(self, number: int, *, after: int, wait_s: float) -> TrialNews:
        """What happened to a trial after round `after`, as soon as something has."""
        with self._changed:
            self._changed.wait_for(lambda: self._news(number, after) != TrialNews(scores=(), ended=False), timeout=wait_s)
            return self._news(number, after)

    def propose(self, trials: Iterable[dict[str, Any]]) -> None:
        """Trials that are to be written down before they may begin."""
        with self._changed:
            self._proposed.extend(trials)

    def ended(self) -> dict[int, tuple[float, ...] | None]:
        """What the trials that have ended came to, by number."""
        with self._changed:
            return {number: trial.values for number, trial in self._begun.items() if trial.ended}

    def requests(self) -> Requests:
        """Everything asked for so far; trials are begun in the order of their numbers."""
        with self._changed:
            return Requests(
                begun=tuple(self._in_order()), unwanted=tuple(sorted(self._unwanted)), proposed=tuple(self._proposed)
            )

    def bring(self, news: Mapping[int, TrialNews]) -> None:
        """News of trials, by number."""
        with self._changed:
            for number, what in news.items():
                trial = self._begun.setdefault(number, _Trial())
                trial.scores |= dict(what.scores)
                trial.ended |= what.ended
                trial.values = what.values if what.ended else None
            self._changed.notify_all()

    def _in_order(self) -> Iterator[int]:
        """The trials begun, in the order of their numbers, without those that still wait for one before them."""
        oldest_to_hold = time.monotonic() - HOLD_S
        is_complete = True
        expected = itertools.chain(self._numbers, itertools.count(self._then_from))
        for next_one, number in zip(expected, sorted(self._begun), strict=False):
            is_complete = is_complete and number == next_one
            if is_complete or self._begun[number].begun_at < oldest_to_hold:
                yield number

    def _news(self, number: int, after: int) -> TrialNews:
        trial = self._begun.get(number, _Trial())
        later = tuple((round, score) for round, score in sorted(trial.scores.items()) if round > after)
        return TrialNews(scores=later, ended=trial.ended, values=trial.values)
