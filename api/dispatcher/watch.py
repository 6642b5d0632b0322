"""`Watch`: one attempt from its start to its end, in a thread of the dispatcher."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ray.exceptions import RayError

from api.dispatcher.checkpoint_folder import take_over
from api.dispatcher.handle import Driver
from api.dispatcher.memory import kernel_kills
from api.dispatcher.order import Order
from api.dispatcher.outcome import INTERNAL_ERROR, MEMORY_HINT, Outcome
from api.dispatcher.pool import DriverPool
from api.dispatcher.settings import DispatcherSettings
from api.domain.records import AttemptRecord, ExperimentRecord
from api.domain.retry import SERVICE_STOPPED, RetryPolicy
from api.domain.states import State
from api.store import Store
from heron_ray.errors import DatabaseError, ExhaustedMemoryError, HeronError, LostActorError, StaleAttemptError

LOG = logging.getLogger(__name__)

DRIVER_LOST = "driver_lost"
START_TIMEOUT = "start_timeout"
RETRY_S = 0.5
MIB = 2**20

T = TypeVar("T")


class _ClosedError(Exception):
    """The dispatcher is closing: stop wherever it is safe."""


class _StartTimeoutError(Exception):
    """The run has not begun in time."""


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
        is_starting = experiment.state == State.STARTING
        self._start_before = time.monotonic() + settings.start_s if is_starting else None
        self._check_at = 0.0
        self._kernel_kills = kernel_kills()

    def cancel(self) -> None:
        """Ask the run to stop; it is killed when it does not within `cancel_s`."""
        if self._cancel_before is None:
            self._cancel_before = time.monotonic() + self._settings.cancel_s

    def kill(self) -> None:
        """End the run's processes now. Raises RayError where Ray could not be asked to."""
        self._cancel_before = time.monotonic()
        self._driver.kill()

    def close(self) -> None:
        """The service stops: hand the experiment back to the queue."""
        self._closing.set()

    def run(self) -> None:
        """The thread's work."""
        attempt = self.attempt
        try:
            self._finish(self._outcome())
        except StaleAttemptError as error:
            # Whoever goes on with the experiment has a driver of its own; this one would compute for nobody.
            LOG.warning("attempt %d: %s: %s; ending its driver", attempt.id, error.code, error)
            self._pool.discard(self._driver)
        except _ClosedError:
            self._hand_back()
        except Exception as error:
            # A fault of the dispatcher itself: it must not leave the experiment RUNNING for ever.
            LOG.exception("attempt %d", attempt.id)
            self._end_broken(error)

    def _outcome(self) -> Outcome:
        """How the run ended, or the driver did."""
        try:
            return self._drive()
        except (LostActorError, _StartTimeoutError) as error:
            LOG.warning("attempt %d: %s", self.attempt.id, error)
            reason = DRIVER_LOST if isinstance(error, LostActorError) else START_TIMEOUT
            outcome = Outcome(state=State.INTERRUPTED, reason=reason, message=str(error))
        except StaleAttemptError:
            raise
        except HeronError as error:
            outcome = Outcome.of_error(error)
        # The driver is dead, or not to be trusted. Make sure of it before another attempt may begin.
        self._pool.discard(self._driver)
        return outcome

    def _drive(self) -> Outcome:
        """Start the run and store its events until it has ended."""
        attempt, settings = self.attempt, self._settings
        order = Order.of(self.experiment, attempt, checkpoints=settings.checkpoints, artifacts=settings.artifacts)
        order = replace(order, checkpoints=take_over(order.checkpoints, attempt=attempt.number))
        self._ask(lambda: self._driver.start(attempt.id, order))
        info = self._ask(self._driver.info)
        after, stop_sent, is_running = 0, False, self.experiment.state == State.RUNNING
        while True:
            if self._cancel_before is not None and not stop_sent:
                self._ask(lambda: self._driver.stop(attempt.id))
                stop_sent = True
            batch = self._ask(partial(self._next_events, after))
            if not is_running and _has_begun(batch):
                self._tell(lambda: self._store.running(attempt.id, attempt.token, driver_pid=info["pid"], node=info["node"]))
                is_running, self._start_before = True, None
            self._record(batch["events"])
            after = batch["last"]
            if batch["outcome"] is not None:
                outcome: Outcome = batch["outcome"]
                return outcome

    def _next_events(self, after: int) -> dict[str, Any]:
        settings = self._settings
        return self._driver.events(self.attempt.id, after=after, limit=settings.batch, wait_s=settings.poll_s)

    def _record(self, events: list[dict[str, Any]]) -> None:
        """Store events; with none, make sure now and then that the attempt is still ours."""
        attempt = self.attempt
        if events:
            self._tell(lambda: self._store.record(attempt.id, attempt.token, events=events))
        elif time.monotonic() >= self._check_at:
            self._tell(lambda: self._store.require_held(attempt.id, attempt.token))
        else:
            return
        self._check_at = time.monotonic() + self._settings.look_s

    def _finish(self, outcome: Outcome) -> None:
        """Write the end down; end the driver or give it back."""
        outcome = self._judged(outcome)
        policy = RetryPolicy.of(self.experiment.retry, max_attempts=self._settings.max_attempts)
        is_lost = outcome.state == State.INTERRUPTED
        if is_lost or (outcome.state == State.FAILED and outcome.reason is not None and policy.allows(outcome.reason)):
            self._tell(lambda: self._interrupt(outcome.reason or DRIVER_LOST, outcome.message or "the run was lost"))
        else:
            self._tell(partial(self._end, outcome))
        LOG.info("experiment %s, attempt %d: %s", self.experiment.id, self.attempt.number, outcome.state)
        if outcome.clean:
            self._pool.give_back(self._driver, attempt_id=self.attempt.id)
        else:
            self._pool.discard(self._driver)

    def _judged(self, outcome: Outcome) -> Outcome:
        """The outcome as it looks from here: what the run itself cannot know."""
        if outcome.state == State.CANCELLED and self._cancel_before is None:
            return replace(
                outcome, state=State.INTERRUPTED, reason=DRIVER_LOST, message="the run stopped without being asked to"
            )
        is_lost = outcome.reason in (DRIVER_LOST, LostActorError.code)
        if is_lost and self._cancel_before is None and kernel_kills() > self._kernel_kills:
            told = f"the kernel ended a process of the run because memory ran out ({MEMORY_HINT})"
            outcome = Outcome(state=State.FAILED, reason=ExhaustedMemoryError.code, message=told)
        if outcome.reason == ExhaustedMemoryError.code:
            return replace(outcome, message=f"{outcome.message}{self._admitted_with()}")
        return outcome

    def _admitted_with(self) -> str:
        """The figures under which it was let in."""
        resources = self.experiment.resources or {}
        memory, peak = resources.get("memory_bytes"), resources.get("client_peak_bytes")
        if memory is None:
            return ""
        how = "estimated" if "memory_bytes" in resources.get("estimated", ()) else "declared"
        client = f", one client holding {peak / MIB:.1f} MiB at most" if peak is not None else ""
        return f"; it was let in with {memory / MIB:.0f} MiB of memory ({how}){client}"

    def _end(self, outcome: Outcome) -> None:
        attempt = self.attempt
        if outcome.artifacts:
            self._store.artifacts.record(attempt.id, attempt.token, files=outcome.artifacts)
        self._store.finish(
            attempt.id,
            attempt.token,
            state=outcome.state,
            reason=outcome.reason,
            message=outcome.message,
            result=outcome.result,
        )

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
        attempt, most = self.attempt, self._settings.max_attempts
        self._store.interrupt(attempt.id, attempt.token, reason=reason, message=message, max_attempts=most)

    def _ask(self, call: Callable[[], T]) -> T:
        """Ask the driver until it answers; kill one that keeps silent for too long, which ends the waiting."""
        silent_since = time.monotonic()
        while True:
            try:
                self._keep_deadlines(silent_since)
                return call()
            except RayError as error:
                self._pause(error)

    def _tell(self, call: Callable[[], T]) -> T:
        """Ask the database until it answers, however long it is away."""
        while True:
            if self._closing.is_set():
                raise _ClosedError
            try:
                return call()
            except DatabaseError as error:
                self._pause(error)

    def _pause(self, error: Exception) -> None:
        LOG.warning("attempt %d: %s; asking again", self.attempt.id, " ".join(str(error).split())[:300])
        self._closing.wait(RETRY_S)

    def _keep_deadlines(self, silent_since: float) -> None:
        if self._closing.is_set():
            raise _ClosedError
        now = time.monotonic()
        is_late = self._cancel_before is not None and now > self._cancel_before
        if is_late or now - silent_since > self._settings.silence_s:
            LOG.warning("attempt %d: the driver does not answer or does not stop; killing it", self.attempt.id)
            self._driver.kill()
        elif self._start_before is not None and self._cancel_before is None and now > self._start_before:
            raise _StartTimeoutError(f"its run had not begun after {self._settings.start_s:g} s")


def _has_begun(batch: dict[str, Any]) -> bool:
    """Whether the data are loaded and the actors up, or the run is over already."""
    return batch["outcome"] is not None or any(event["kind"] == "started" for event in batch["events"])
