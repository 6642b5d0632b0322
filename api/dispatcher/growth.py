"""`Growth`: asks Ray's autoscaler for room. Where a cluster has none, the request lies in its head and nothing comes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from api.domain.admission import Resources
from api.domain.growth import Bundles, requests

TURN_S = 120.0
"""A request stands for this long while something waits: machines take minutes to come."""


class Growth:
    """Remembers what was asked for. A cluster has one request: a new one takes the place of the old one."""

    def __init__(self) -> None:
        """Nothing is asked for; what an earlier dispatcher asked for stands until `ask`."""
        self._asked: tuple[int, Bundles] | None = None
        self._waiting_since = time.monotonic()

    def ask(self, running: Sequence[Resources], waiting: Sequence[Resources], *, slots: int) -> None:
        """Ask, where something changed; at every turn again, because a head that was started anew has forgotten.

        Args:
            running: What the running experiments were let in with.
            waiting: What the waiting ones need, oldest first.
            slots: How many may run at once.

        Raises:
            RayError: Ray does not answer.
        """
        # Late, because it brings what `ray up` needs.
        from ray.autoscaler.sdk import request_resources

        now = time.monotonic()
        if not waiting:
            self._waiting_since = now
        turn = int((now - self._waiting_since) / TURN_S)
        turns = requests(running, waiting, slots=slots)
        wanted = turns[turn % len(turns)]
        if (turn, wanted) != self._asked:
            request_resources(bundles=wanted)
            self._asked = (turn, wanted)

    def withdraw(self) -> None:
        """Ask for nothing any more. Raises RayError where Ray does not answer."""
        self.ask((), (), slots=0)
