"""A tracker as a sink of a run."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from heron_ray.simulation.events import Event, Finished, RoundFinished, Started
from heron_ray.trackers.tracker import Tracker


class TrackerSink:
    """Passes a run's rounds on to a tracker. In `with`, a run that breaks off is told as FAILED."""

    def __init__(self, tracker: Tracker) -> None:
        """Nothing is told before the run starts."""
        self._tracker = tracker
        self._is_open = False

    def emit(self, event: Event) -> None:
        """Pass on. Raises SinkError, which ends the run: it can be resumed, and the tracker then gets the rest."""
        if isinstance(event, Started):
            self._tracker.begin(anew=event.after_round == 0)
            self._is_open = True
        elif isinstance(event, RoundFinished):
            self._tracker.add(event.round, event.metrics)
        elif isinstance(event, Finished):
            self._is_open = False
            self._tracker.end(event.result["state"], event.result)

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Tell of a run that broke off."""
        if self._is_open:
            self._is_open = False
            self._tracker.end("FAILED", {})
