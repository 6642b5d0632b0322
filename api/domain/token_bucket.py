"""`TokenBuckets`: how often each of many callers may ask."""

from __future__ import annotations

from collections import OrderedDict

# A caller that is forgotten finds a full bucket again, so many are remembered; each takes some 200 bytes.
MOST_CALLERS = 10_000


class TokenBuckets:
    """One bucket per caller: it holds `burst` tokens, gets `rate` new ones a second, and a request takes one.

    Args:
        rate: Requests per second in the long run.
        burst: Requests at once after a pause.
        most_callers: The caller that has been silent for longest is forgotten beyond this many.

    Example:
        >>> buckets = TokenBuckets(rate=1.0, burst=2.0)
        >>> [buckets.take("a", now_s=0.0) for _ in range(3)]
        [0.0, 0.0, 1.0]
    """

    def __init__(self, *, rate: float, burst: float, most_callers: int = MOST_CALLERS) -> None:
        """Every bucket is full."""
        self._rate = rate
        self._burst = burst
        self._most_callers = most_callers
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, *, now_s: float) -> float:
        """Take a token; 0 where there was one, else the seconds until there is."""
        level, at_s = self._levels.pop(caller, (self._burst, now_s))
        level = min(self._burst, level + self._rate * (now_s - at_s))
        wait_s = 0.0 if level >= 1 else (1 - level) / self._rate
        self._levels[caller] = (level if wait_s else level - 1, now_s)
        if len(self._levels) > self._most_callers:
            self._levels.popitem(last=False)
        return wait_s
