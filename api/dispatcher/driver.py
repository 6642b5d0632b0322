"""`ExperimentDriver`: runs the engine in a process of its own that outlives the dispatcher.

A plain class; `DriverPool` makes it a detached Ray actor. It serves one experiment after another and keeps its executor for
a while, so that only the first pays for importing torch and starting actors. The engine is imported late: the dispatcher
imports this module too.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray

from api.dispatcher.attempt_log import AttemptLog, LoggedEvents
from api.dispatcher.order import Order
from api.dispatcher.outbox import Outbox
from api.dispatcher.outcome import Outcome
from api.domain.artifacts import LOG as LOG_NAME
from api.domain.states import State
from heron_ray.errors import ConflictError
from heron_ray.spec import ExperimentSpec, parse_spec

if TYPE_CHECKING:
    from heron_ray.simulation import Executor

LOG = logging.getLogger(__name__)

OUTBOX_EVENTS = 10_000
WATCH_EVERY_S = 5.0
# New actors take seconds to import torch, so whoever looks at a result before the next experiment should still find these.
EXECUTOR_IDLE_S = 300.0


@dataclass(slots=True)
class _Run:
    """One attempt, from its start until it is released."""

    attempt_id: int
    outbox: Outbox = field(default_factory=lambda: Outbox(capacity=OUTBOX_EVENTS))
    stop: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None


class ExperimentDriver:
    """Runs one attempt at a time in a thread, while its methods answer from others.

    Args:
        abandoned_s: The process ends itself when no method was called for this long: its service is gone.
    """

    def __init__(self, *, abandoned_s: float = 3600.0) -> None:
        """Begin to import the engine at once, so that the first experiment does not wait for it."""
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._executor: Executor | None = None
        self._abandoned_s = abandoned_s
        self._called_at = self._idle_since = time.monotonic()
        threading.Thread(target=_import_engine, daemon=True).start()
        threading.Thread(target=self._look_after_itself, daemon=True).start()

    def info(self) -> dict[str, Any]:
        """Where it runs and which attempt it holds: `pid`, `node`, `attempt_id` (None when idle)."""
        self._called_at = time.monotonic()
        with self._lock:
            return {
                "pid": os.getpid(),
                "node": ray.get_runtime_context().get_node_id(),
                "attempt_id": self._run.attempt_id if self._run else None,
            }

    def footprint(self, spec: dict[str, Any]) -> dict[str, Any]:
        """What a run of this spec would take; see `heron_ray.simulation.footprint`. Raises HeronError."""
        from heron_ray.simulation.footprint import footprint

        self._called_at = time.monotonic()
        parsed = parse_spec(spec)
        return footprint(parsed, distributed=parsed.compute.executor != "local").to_dict()

    def start(self, attempt_id: int, order: Order) -> None:
        """Run an attempt, from its last good checkpoint where there is one; asking again for the same one changes nothing.

        Raises:
            ConflictError: It holds another attempt.
        """
        self._called_at = time.monotonic()
        with self._lock:
            if self._run is None:
                self._run = _Run(attempt_id)
                threading.Thread(target=self._execute, args=(self._run, order), daemon=True).start()
            elif self._run.attempt_id != attempt_id:
                raise ConflictError(f"this driver holds attempt {self._run.attempt_id}, not {attempt_id}")

    def events(self, attempt_id: int, *, after: int, limit: int, wait_s: float) -> dict[str, Any]:
        """What happened after event `after`, which acknowledges all up to it.

        Returns:
            `events`, the number of the `last` of them, and the `outcome` once everything before it was handed over.
        """
        self._called_at = time.monotonic()
        run = self._held(attempt_id)
        events, last, complete = run.outbox.take(after=after, limit=limit, wait_s=wait_s)
        return {"events": events, "last": last, "outcome": run.outcome if complete else None}

    def stop(self, attempt_id: int) -> None:
        """Ask the run to stop after its round."""
        self._held(attempt_id).stop.set()

    def release(self, attempt_id: int) -> None:
        """Forget an attempt that has ended: the driver is idle again."""
        if self._held(attempt_id).outcome is None:
            raise ConflictError(f"attempt {attempt_id} is still running")
        with self._lock:
            self._run, self._idle_since = None, time.monotonic()

    def _held(self, attempt_id: int) -> _Run:
        with self._lock:
            if self._run is None or self._run.attempt_id != attempt_id:
                raise ConflictError(f"this driver does not hold attempt {attempt_id}")
            return self._run

    def _execute(self, run: _Run, order: Order) -> None:
        """Whatever happens, there is an outcome: a run that cannot say how it ended would be RUNNING for ever."""
        with AttemptLog(order.folder / LOG_NAME):
            try:
                outcome = self._simulate(run, order)
            except BaseException as error:
                LOG.exception("attempt %d ended with an error", order.number)
                self._close_executor()
                outcome = Outcome.of_error(error)
            run.outcome = _with_artifacts(outcome, order)
            LOG.info("attempt %d: %s", order.number, outcome.state)
        run.outbox.close()

    def _simulate(self, run: _Run, order: Order) -> Outcome:
        from api.dispatcher.journal import JournaledCheckpointer
        from api.dispatcher.parent import beginning_of
        from heron_ray.simulation import Simulation, Tee

        spec = parse_spec(order.spec)
        checkpointer = JournaledCheckpointer(order.checkpoints, run.outbox)
        simulation = Simulation(
            spec,
            self._executor_for(spec),
            sink=Tee(LoggedEvents(), run.outbox),
            checkpointer=checkpointer,
            resume=True,
            skip_damaged=True,
            start_from=beginning_of(order, spec, checkpointer),
            should_stop=run.stop.is_set,
        )
        result = simulation.run()
        if spec.compute.device != "cpu":
            # An idle driver must not keep a GPU from the others.
            self._close_executor()
        return Outcome.of_result(result)

    def _executor_for(self, spec: ExperimentSpec) -> Executor:
        """The executor of the last run where it is of the right kind: its actors are warm."""
        from heron_ray.actors import executor_for

        wanted = executor_for(spec)
        if type(wanted) is not type(self._executor):
            self._close_executor()
            self._executor = wanted
        assert self._executor is not None  # noqa: S101 - for mypy
        return self._executor

    def _close_executor(self) -> None:
        executor, self._executor = self._executor, None
        if executor is None:
            return
        try:
            executor.close()
        except Exception:
            LOG.exception("the executor could not be closed")

    def _look_after_itself(self) -> None:
        """Give idle actors back after a while, and end a process that nobody calls any more."""
        while time.monotonic() - self._called_at < self._abandoned_s:
            time.sleep(WATCH_EVERY_S)
            with self._lock:
                if self._run is None and time.monotonic() - self._idle_since > EXECUTOR_IDLE_S:
                    self._close_executor()
        LOG.error("no dispatcher called for %.0f s; this driver ends itself", self._abandoned_s)
        os._exit(1)


def _with_artifacts(outcome: Outcome, order: Order) -> Outcome:
    """Leave behind what the run came to, unless another attempt follows. Failing at that does not undo the run."""
    if outcome.state == State.INTERRUPTED:
        return outcome
    from api.dispatcher.artifacts import leave_artifacts

    try:
        return dataclasses.replace(outcome, artifacts=leave_artifacts(order, outcome.result))
    except Exception:
        LOG.exception("attempt %d left no artifacts", order.number)
        return outcome


def _import_engine() -> None:
    import heron_ray.actors.executor
    import heron_ray.simulation  # noqa: F401 - for its side effect: it is in memory
