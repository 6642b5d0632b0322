"""`Outbox`: events on their way from a run to the database, kept until they are known to be stored."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heron_ray.simulation.events import Event


class Outbox:
    """A sink that numbers events 1, 2, 3, ... and keeps them until they are acknowledged.

    It holds a bounded number: a run that is faster than the database waits in `emit`, so memory does not grow.
    """

    def __init__(self, *, capacity: int) -> None:
        """Hold at most `capacity` events."""
        self._capacity = capacity
        self._events: deque[tuple[int, dict[str, Any]]] = deque()
        self._last = 0
        self._closed = False
        self._changed = threading.Condition()

    def emit(self, event: Event) -> None:
        """Take one event; waits while the outbox is full."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) < self._capacity)
            self._last += 1
            self._events.append((self._last, event.to_dict()))
            if len(self._events) == self._capacity:
                self._changed.notify_all()

    def put(self, events: Sequence[dict[str, Any]]) -> None:
        """Take events that are already plain values, before the run begins; does not wait."""
        with self._changed:
            for event in events:
                self._last += 1
                self._events.append((self._last, event))

    def contents(self) -> list[dict[str, Any]]:
        """Everything that is not acknowledged."""
        with self._changed:
            return [event for _, event in self._events]

    def close(self) -> None:
        """No event will follow: nobody needs to wait for more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, *, after: int, limit: int, wait_s: float) -> tuple[list[dict[str, Any]], int, bool]:
        """Forget events up to number `after`, collect more for at most `wait_s`, hand over up to `limit` of them.

        What is handed over is kept until a later call acknowledges it by `after`.

        Returns:
            The events, the number of the last one (`after` where there is none), and whether nothing will follow it.
        """
        with self._changed:
            while self._events and self._events[0][0] <= after:
                self._events.popleft()
            self._changed.notify_all()
            enough = min(limit, self._capacity)
            self._changed.wait_for(lambda: self._closed or len(self._events) >= enough, timeout=wait_s)
            batch = [self._events[index] for index in range(min(limit, len(self._events)))]
            last = batch[-1][0] if batch else after
            return [event for _, event in batch], last, self._closed and last >= self._last
