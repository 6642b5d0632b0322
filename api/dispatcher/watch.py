"""`Watch`: one attempt from its start to its end, in a thread of the dispatcher."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ray.exceptions import RayError

from api.dispatcher.handle import Driver
from api.dispatcher.order import Order
from api.dispatcher.outcome import INTERNAL_ERROR, Outcome
from api.dispatcher.pool import DriverPool
from api.dispatcher.settings import DispatcherSettings
from api.domain.records import AttemptRecord, ExperimentRecord
from api.domain.states import State
from api.store import Store
from heron_ray.errors import DatabaseError, LostActorError, StaleAttemptError

LOG = logging.getLogger(__name__)

DRIVER_LOST = "driver_lost"
SERVICE_STOPPED = "service_stopped"
RETRY_S = 0.5

T = TypeVar("T")


def interrupt(store: Store, attempt: AttemptRecord, *, reason: str, message: str, max_attempts: int) -> None:
    """Give an attempt up for the infrastructure's sake; see `Store.interrupt`.

    Stops of the service are nobody's failure: they do not use up attempts.
    """
    earlier = store.attempts(attempt.experiment_id)
    forgiven = sum(past.exit_reason == SERVICE_STOPPED for past in earlier) + (reason == SERVICE_STOPPED)
    store.interrupt(attempt.id, attempt.token, reason=reason, message=message, max_attempts=max_attempts + forgiven)


class _ClosedError(Exception):
    """The dispatcher is closing: stop wherever it is safe."""


class Watch(threading.Thread):
    """Starts a run on a borrowed driver, stores its events, ends the attempt, and returns the driver.

    An error of Ray or of the database says nothing about the experiment: the call is made again until it is answered. Only
    a driver known to be dead interrupts the attempt, and only the run's own outcome ends it.
    """

    def __init__(
        self,
        store: Store,
        pool: DriverPool,
        driver: Driver,
        settings: DispatcherSettings,
        *,
        experiment: ExperimentRecord,
        attempt: AttemptRecord,
    ) -> None:
        """Watch over `attempt`; `driver` is already borrowed from `pool`."""
        super().__init__(name=f"attempt-{attempt.id}", daemon=True)
        self.experiment = experiment
        self.attempt = attempt
        self._store = store
        self._pool = pool
        self._driver = driver
        self._settings = settings
        self._closing = threading.Event()
        self._cancel_before: float | None = None
        self._heard_at = time.monotonic()

    def cancel(self) -> None:
        """Ask the run to stop; it is killed when it does not within `cancel_s`."""
        if self._cancel_before is None:
            self._cancel_before = time.monotonic() + self._settings.cancel_s

    def close(self) -> None:
        """The service stops: hand the experiment back to the queue."""
        self._closing.set()

    def run(self) -> None:
        """The thread's work."""
        attempt = self.attempt
        try:
            outcome = self._drive()
            self._finish(outcome)
        except StaleAttemptError as error:
            LOG.warning("attempt %d: %s; letting go of it", attempt.id, error)
            self._pool.let_go(self._driver)
        except _ClosedError:
            self._hand_back()
        except LostActorError as error:
            LOG.warning("attempt %d: %s", attempt.id, error)
            self._end_lost(error)
        except Exception as error:
            # A fault of the dispatcher itself: it must not leave the experiment RUNNING for ever.
            LOG.exception("attempt %d", attempt.id)
            self._end_broken(error)

    def _drive(self) -> Outcome:
        """Start the run and store its events until it has ended."""
        attempt, settings = self.attempt, self._settings
        order = Order.of(self.experiment, attempt, checkpoints=settings.checkpoints, artifacts=settings.artifacts)
        self._patiently(lambda: self._driver.start(attempt.id, order))
        info = self._patiently(self._driver.info)
        self._patiently(lambda: self._store.running(attempt.id, attempt.token, driver_pid=info["pid"], node=info["node"]))
        after, stop_sent = 0, False
        while True:
            if self._cancel_before is not None and not stop_sent:
                self._patiently(lambda: self._driver.stop(attempt.id))
                stop_sent = True
            batch = self._patiently(partial(self._next_events, after))
            if batch["events"]:
                self._patiently(partial(self._store.record, attempt.id, attempt.token, events=batch["events"]))
            after = batch["last"]
            if batch["outcome"] is not None:
                outcome: Outcome = batch["outcome"]
                return outcome

    def _next_events(self, after: int) -> dict[str, Any]:
        settings = self._settings
        return self._driver.events(self.attempt.id, after=after, limit=settings.batch, wait_s=settings.poll_s)

    def _finish(self, outcome: Outcome) -> None:
        attempt = self.attempt
        unasked = outcome.state == State.CANCELLED and self._cancel_before is None
        if outcome.state == State.INTERRUPTED or unasked:
            reason, message = outcome.reason or DRIVER_LOST, outcome.message or "the run stopped without being asked to"
            self._patiently(lambda: self._interrupt(reason, message))
        else:
            if outcome.artifacts:
                self._patiently(lambda: self._store.artifacts.record(attempt.id, attempt.token, files=outcome.artifacts))
            self._patiently(
                lambda: self._store.finish(
                    attempt.id,
                    attempt.token,
                    state=outcome.state,
                    reason=outcome.reason,
                    message=outcome.message,
                    result=outcome.result,
                )
            )
        LOG.info("experiment %s, attempt %d: %s", self.experiment.id, attempt.number, outcome.state)
        if outcome.clean:
            self._pool.give_back(self._driver, attempt_id=attempt.id)
        else:
            self._pool.discard(self._driver)

    def _end_lost(self, error: LostActorError) -> None:
        """The driver is dead. Make sure of it before another attempt may begin."""
        self._pool.discard(self._driver)
        try:
            self._patiently(lambda: self._interrupt(DRIVER_LOST, error.message))
        except StaleAttemptError:
            LOG.warning("attempt %d has another owner", self.attempt.id)
        except _ClosedError:
            self._hand_back()

    def _end_broken(self, error: Exception) -> None:
        self._pool.discard(self._driver)
        outcome = Outcome(state=State.FAILED, reason=INTERNAL_ERROR, message=f"{type(error).__name__}: {error}")
        try:
            self._finish(outcome)
        except Exception:
            # The attempt stays as it is; the dispatcher takes it up again once nobody watches it.
            LOG.exception("attempt %d could not be ended", self.attempt.id)

    def _hand_back(self) -> None:
        self._pool.discard(self._driver)
        try:
            self._interrupt(SERVICE_STOPPED, "the service was stopped; the experiment continues when it is started again")
        except (DatabaseError, StaleAttemptError) as error:
            LOG.warning("attempt %d was not handed back: %s", self.attempt.id, error)

    def _interrupt(self, reason: str, message: str) -> None:
        interrupt(self._store, self.attempt, reason=reason, message=message, max_attempts=self._settings.max_attempts)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call until it is answered; kill a driver that keeps silent for too long, which ends the waiting."""
        while True:
            if self._closing.is_set():
                raise _ClosedError
            self._kill_overdue()
            try:
                answer = call()
            except LostActorError:
                raise
            except (RayError, DatabaseError) as error:
                LOG.warning("attempt %d: %s; asking again", self.attempt.id, " ".join(str(error).split())[:300])
                self._closing.wait(RETRY_S)
            else:
                self._heard_at = time.monotonic()
                return answer

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        is_late = self._cancel_before is not None and now > self._cancel_before
        if is_late or now - self._heard_at > self._settings.silence_s:
            LOG.warning("attempt %d: the driver does not answer or does not stop; killing it", self.attempt.id)
            self._driver.kill()
