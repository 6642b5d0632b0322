"""`Dispatcher`: takes queued experiments to drivers, and takes up those that an earlier dispatcher left running."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress

from ray.exceptions import RayError

from api.dispatcher import cluster
from api.dispatcher.admission import Admission
from api.dispatcher.growth import Growth
from api.dispatcher.handle import Driver
from api.dispatcher.leases import LeaseKeeper
from api.dispatcher.leftovers import Leftovers
from api.dispatcher.pool import DriverPool
from api.dispatcher.settings import DispatcherSettings
from api.dispatcher.sweeps import SweepKeeper
from api.dispatcher.watch import DRIVER_LOST, Watch
from api.domain.admission import Resources
from api.domain.records import AttemptRecord, ExperimentRecord
from api.domain.states import KILL_REQUESTED, State
from api.store import Store
from heron_ray.errors import DatabaseError, ExhaustedMemoryError, LostActorError, StaleAttemptError

LOG = logging.getLogger(__name__)

LEASE_EXPIRED = "lease_expired"
TICK_S = 0.1
CLOSE_S = 5.0


class Dispatcher:
    """One loop in the calling thread, and a `Watch` thread per running experiment. Ray must be connected."""

    def __init__(self, store: Store, settings: DispatcherSettings) -> None:
        """Nothing happens before `run`."""
        self._store = store
        self._settings = settings
        self._pool = DriverPool(size=settings.concurrency, call_s=settings.call_s, start_s=settings.start_s)
        self._admission = Admission(store, settings)
        self._growth = Growth()
        self._watches: dict[int, Watch] = {}
        self._closing = threading.Event()
        self._leases = LeaseKeeper(store, self._held, lease_s=settings.lease_s)
        self._leftovers = Leftovers(store, checkpoints=settings.checkpoints, artifacts=settings.artifacts)
        self._sweeps = SweepKeeper(store, settings)

    def run(self) -> None:
        """Work until `close` is called; then hand running experiments back to the queue and end the drivers."""
        self._leases.start()
        self._sweeps.start()
        reconcile_at = 0.0
        while not self._closing.is_set():
            # Small experiments follow one another: a driver that has come back need not wait for the tick.
            self._pool.given_back.wait(TICK_S)
            self._pool.given_back.clear()
            try:
                if time.monotonic() >= reconcile_at:
                    # Before the first claim, so that a driver that still lives is never given a twin.
                    self._reconcile()
                    self._leftovers.sweep(keep={watch.experiment.id for watch in self._watches.values()})
                    self._describe()
                    self._grow()
                    reconcile_at = time.monotonic() + self._settings.look_s
                self._forget_ended()
                self._pool.fill()
                self._claim()
                self._cancel()
            except (RayError, DatabaseError) as error:
                LOG.warning("%s; trying again", " ".join(str(error).split())[:300])
        self._end()

    def close(self) -> None:
        """Make `run` return. Safe to call from a signal handler."""
        self._closing.set()

    def _reconcile(self) -> None:
        """Give every living attempt that is ours, or nobody's any more, a watch or an end."""
        busy = self._pool.attach()
        lapsed = self._store.lapsed_attempts()
        for experiment, attempt in self._store.live_attempts():
            watched = self._watches.get(attempt.id)
            if watched is not None and watched.is_alive():
                continue
            if attempt.owner != self._settings.owner and attempt.id not in lapsed:
                # A driver of ours that still holds it is ended below: its attempt has gone to another.
                continue
            driver = busy.pop(attempt.id, None)
            if driver is not None:
                self._take_up(driver, experiment, attempt)
            else:
                self._interrupt(experiment, attempt)
        for attempt_id, driver in busy.items():
            LOG.info("ending driver %s: attempt %d is over, or another's", driver.name, attempt_id)
            self._pool.discard(driver)

    def _describe(self) -> None:
        """Say what there is to work with."""
        settings = self._settings
        self._store.dispatchers.note(settings.owner, slots=settings.concurrency, nodes=cluster.nodes())

    def _grow(self) -> None:
        """Have an autoscaler bring machines for what waits, and keep those of what runs."""
        running = [Resources.of(watch.experiment.resources or {}) for watch in self._watches.values()]
        self._growth.ask(running, self._admission.waiting(), slots=self._settings.concurrency)

    def _take_up(self, driver: Driver, experiment: ExperimentRecord, attempt: AttemptRecord) -> None:
        LOG.info("taking up experiment %s, attempt %d, on %s", experiment.id, attempt.number, driver.name)
        try:
            adopted = self._store.adopt(attempt.id, owner=self._settings.owner, lease_s=self._settings.lease_s)
        except StaleAttemptError as error:
            LOG.info("attempt %d ended meanwhile: %s", attempt.id, error)
            self._pool.discard(driver)
        else:
            self._watch(driver, experiment, adopted)

    def _interrupt(self, experiment: ExperimentRecord, attempt: AttemptRecord) -> None:
        """No driver runs it: queue it again."""
        settings = self._settings
        ours = attempt.owner == settings.owner
        reason = DRIVER_LOST if ours else LEASE_EXPIRED
        message = "no driver runs this attempt any more" if ours else f"{attempt.owner} stopped renewing its lease"
        try:
            adopted = self._store.adopt(attempt.id, owner=settings.owner, lease_s=settings.lease_s)
            most = settings.max_attempts
            self._store.interrupt(adopted.id, adopted.token, reason=reason, message=message, max_attempts=most)
        except StaleAttemptError as error:
            LOG.info("attempt %d was ended by another: %s", attempt.id, error)
        else:
            LOG.warning("experiment %s, attempt %d: %s", experiment.id, attempt.number, message)

    def _claim(self) -> None:
        """Let queued experiments in while drivers are ready for them: nothing is claimed that cannot start at once."""
        running = [watch.experiment for watch in self._watches.values()]
        while (driver := self._pool.take()) is not None:
            try:
                claimed = self._admission.claim(driver, running)
            except (LostActorError, ExhaustedMemoryError) as error:
                LOG.warning("an idle driver is gone: %s", error)
                self._pool.discard(driver)
                continue
            except BaseException:
                self._pool.put_back(driver)
                raise
            if claimed is None:
                self._pool.put_back(driver)
                return
            experiment, attempt = claimed
            LOG.info("experiment %s, attempt %d starts on %s", experiment.id, attempt.number, driver.name)
            self._watch(driver, experiment, attempt)
            running.append(experiment)
        self._admission.explain(running)

    def _cancel(self) -> None:
        if not self._watches:
            return
        cancelling = self._store.list(limit=len(self._watches) + 100, states=[State.CANCELLING])
        reasons = {experiment.id: experiment.reason for experiment in cancelling}
        for watch in self._watches.values():
            if reasons.get(watch.experiment.id) == KILL_REQUESTED:
                watch.kill()
            elif watch.experiment.id in reasons:
                watch.cancel()

    def _watch(self, driver: Driver, experiment: ExperimentRecord, attempt: AttemptRecord) -> None:
        watch = Watch(self._store, self._pool, driver, self._settings, experiment=experiment, attempt=attempt)
        if experiment.state == State.CANCELLING:
            watch.cancel()
        self._watches[attempt.id] = watch
        watch.start()

    def _forget_ended(self) -> None:
        for watch in [watch for watch in self._watches.values() if not watch.is_alive()]:
            del self._watches[watch.attempt.id]
            self._leftovers.remove_checkpoints(watch.experiment.id)

    def _held(self) -> list[tuple[int, int]]:
        return [(watch.attempt.id, watch.attempt.token) for watch in list(self._watches.values()) if watch.is_alive()]

    def _end(self) -> None:
        self._sweeps.close()
        self._leases.close()
        watches = list(self._watches.values())
        for watch in watches:
            watch.close()
        deadline = time.monotonic() + CLOSE_S
        for watch in watches:
            watch.join(max(0.0, deadline - time.monotonic()))
        self._pool.close()
        with suppress(RayError):
            self._growth.withdraw()
        with suppress(DatabaseError):  # it is forgotten after a day in any case
            self._store.dispatchers.forget(self._settings.owner)
