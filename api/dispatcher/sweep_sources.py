"""What Ray Tune is to try next: trials that are written down already, and those of a search that learns. No Ray here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.dispatcher.sweep_desk import Desk
from heron_ray.spec.sweep import SweepSpec
from tune_spaces.points import point_values, with_seeds

if TYPE_CHECKING:
    from tune_spaces.adaptive import AdaptiveSearch

Overrides = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the process of Ray Tune is told of a sweep; it has nothing from elsewhere.

    Attributes:
        sweep: The canonical form of its `SweepSpec`.
        seed: The seed of the experiment it varies.
        trials: Every trial written down so far, in order.
        ended: What those that have ended came to, by number: a value per objective, or None.
        prior: Points of earlier sweeps with what they came to.
        rounds: Rounds of a trial that is not stopped.
        concurrency: Trials that are submitted and not ended, at most.
        directory: For Tune's own notes.
    """

    sweep: dict[str, Any]
    seed: int
    trials: Sequence[Overrides]
    ended: Mapping[int, tuple[float, ...] | None]
    prior: Sequence[tuple[Overrides, tuple[float, ...]]]
    rounds: int
    concurrency: int
    directory: str

    def pending(self, plan: SweepSpec) -> list[int]:
        """The trials that Tune must take to their ends; those that have ended too where its scheduler compares with them."""
        numbers = range(1, len(self.trials) + 1)
        return [number for number in numbers if plan.scheduler != "none" or number not in self.ended]


class KnownTrials:
    """Trials that are written down, in order."""

    def __init__(self, trials: Iterable[tuple[int, Overrides]]) -> None:
        """Hand them out from the first."""
        self._left = deque(trials)

    def next_trial(self) -> tuple[int, Overrides] | None:
        """See `tune_spaces.bridge.TrialSource`."""
        return self._left.popleft() if self._left else None


class LearntTrials:
    """First the trials that are written down, then those that the search proposes from what all of them came to."""

    def __init__(self, known: KnownTrials, search: AdaptiveSearch, desk: Desk, plan: SweepSpec, course: Course) -> None:
        """`search` knows the points of `course` already."""
        self._known, self._search, self._desk, self._plan, self._seed = known, search, desk, plan, course.seed
        self._count = len(course.trials)
        self._ended = dict(course.ended)
        # Trials of the point that is being handed out, where it has several.
        self._rest: deque[tuple[int, Overrides]] = deque()

    def next_trial(self) -> tuple[int, Overrides] | None:
        """See `tune_spaces.bridge.TrialSource`."""
        if (known := self._known.next_trial()) is not None:
            return known
        if not self._rest:
            self._ended |= self._desk.ended()
            for number, values in point_values(self._ended, self._plan).items():
                self._search.tell(number, values)
            point = self._search.propose()
            if point is None:
                return None
            trials = with_seeds([point], self._plan.seeds, self._seed)
            self._desk.propose(trials)
            self._rest.extend(enumerate(trials, start=self._count + 1))
            self._count += len(trials)
        return self._rest.popleft()


def source_of(course: Course, plan: SweepSpec, desk: Desk) -> KnownTrials | LearntTrials:
    """Where a sweep's trials come from."""
    known = KnownTrials((number, course.trials[number - 1]) for number in course.pending(plan))
    if not plan.is_adaptive:
        return known
    from tune_spaces.adaptive import AdaptiveSearch

    search = AdaptiveSearch(plan)
    search.learn(course.prior)
    points = [
        {path: value for path, value in trial.items() if path in plan.space.axes} for trial in course.trials[:: plan.seeds]
    ]
    search.replay(points, point_values(course.ended, plan))
    return LearntTrials(known, search, desk, plan, course)
