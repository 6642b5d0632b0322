"""`LeaseKeeper`: renews leases from a thread of its own, so that slow work elsewhere never costs one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from api.store import Store
from heron_ray.errors import DatabaseError

LOG = logging.getLogger(__name__)


class LeaseKeeper(threading.Thread):
    """Renews three times per lease, so that two renewals may fail."""

    def __init__(self, store: Store, held: Callable[[], Sequence[tuple[int, int]]], *, lease_s: float) -> None:
        """Renew the (attempt id, token) pairs that `held` returns."""
        super().__init__(name="leases", daemon=True)
        self._store = store
        self._held = held
        self._lease_s = lease_s
        self._closing = threading.Event()

    def run(self) -> None:
        """The thread's work."""
        while not self._closing.wait(self._lease_s / 3):
            held = self._held()
            if not held:
                continue
            try:
                stale = self._store.renew(held, lease_s=self._lease_s)
            except DatabaseError as error:
                LOG.warning("leases were not renewed: %s; trying again", error)
            else:
                # Their watches notice by themselves: every write of theirs is fenced.
                if stale:
                    LOG.warning("attempts %s have ended or have another owner", stale)

    def close(self) -> None:
        """Stop renewing."""
        self._closing.set()
