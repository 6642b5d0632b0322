"""How long a client that was cut off tries again."""

from __future__ import annotations

import time

SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class Patience:
    """Growing pauses between tries, and an end once nothing has answered for too long.

    Args:
        limit_s: How long nothing may have answered.
    """

    def __init__(self, limit_s: float) -> None:
        """It is as if something had just answered."""
        self._limit_s = limit_s
        self.start_over()

    def heard(self) -> None:
        """Something answered; the pauses stay as long as they are."""
        self._heard_at = time.monotonic()

    def start_over(self) -> None:
        """Something answered, and what comes next may come at once."""
        self.heard()
        self._pause_s = SHORTEST_PAUSE_S

    @property
    def is_over(self) -> bool:
        """Whether nothing has answered for too long."""
        return time.monotonic() - self._heard_at > self._limit_s

    def pause(self, at_most_s: float | None = None) -> None:
        """Wait, longer from time to time."""
        time.sleep(self._pause_s if at_most_s is None else min(self._pause_s, at_most_s))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
