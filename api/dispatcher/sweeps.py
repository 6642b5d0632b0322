"""`SweepKeeper`: takes queued sweeps, and those that an earlier dispatcher left behind."""

from __future__ import annotations

import logging
import threading
import time

from api.dispatcher.settings import DispatcherSettings
from api.dispatcher.sweep_watch import SweepWatch
from api.domain.sweeps import SweepRecord
from api.store import Store
from heron_ray.errors import DatabaseError, StaleAttemptError

LOG = logging.getLogger(__name__)

TICK_S = 0.3
CLOSE_S = 5.0
# Each takes a process with Ray Tune in it; the others wait in the queue.
MOST_SWEEPS = 2


class SweepKeeper(threading.Thread):
    """A loop in a thread of its own, and a `SweepWatch` per sweep. Ray must be connected."""

    def __init__(self, store: Store, settings: DispatcherSettings) -> None:
        """Nothing happens before `start`."""
        super().__init__(name="sweeps", daemon=True)
        self._store = store
        self._settings = settings
        self._watches: dict[str, SweepWatch] = {}
        self._closing = threading.Event()

    def run(self) -> None:
        """The thread's work."""
        look_at = 0.0
        while not self._closing.wait(TICK_S):
            try:
                self._watches = {id: watch for id, watch in self._watches.items() if watch.is_alive()}
                if time.monotonic() >= look_at:
                    self._take_up()
                    look_at = time.monotonic() + self._settings.look_s
                self._claim()
            except DatabaseError as error:
                LOG.warning("%s; trying again", " ".join(str(error).split())[:300])

    def close(self) -> None:
        """Leave every sweep as it stands."""
        self._closing.set()
        for watch in list(self._watches.values()):
            watch.close()
        deadline = time.monotonic() + CLOSE_S
        for thread in (self, *self._watches.values()):
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _take_up(self) -> None:
        """Adopt the sweeps that were ours before this process began, and those whose owner let the lease lapse."""
        lapsed = self._store.sweeps.lapsed()
        for sweep in self._store.sweeps.live():
            if sweep.id in self._watches or not (sweep.owner == self._settings.owner or sweep.id in lapsed):
                continue
            try:
                adopted = self._store.sweeps.adopt(
                    sweep.id, sweep.token, owner=self._settings.owner, lease_s=self._settings.lease_s
                )
            except StaleAttemptError as error:
                LOG.info("%s", error)
            else:
                LOG.info("taking up sweep %s", sweep.id)
                self._watch(adopted)

    def _claim(self) -> None:
        while len(self._watches) < MOST_SWEEPS:
            sweep = self._store.sweeps.claim(owner=self._settings.owner, lease_s=self._settings.lease_s)
            if sweep is None:
                return
            self._watch(sweep)

    def _watch(self, sweep: SweepRecord) -> None:
        watch = SweepWatch(self._store, self._settings, sweep)
        self._watches[sweep.id] = watch
        watch.start()
