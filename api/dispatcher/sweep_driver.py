"""`SweepDriver`: the process in which Ray Tune runs for one sweep. A plain class; `SweepWatch` makes it an actor.

It holds nothing that the database does not: killed, it is replaced, and the new one is told everything again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

import ray
from ray.actor import ActorHandle

from api.dispatcher.sweep_desk import Desk, Requests
from api.dispatcher.sweep_sources import Course, source_of
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import sweep_of
from tune_spaces.news import TrialNews

LOG = logging.getLogger(__name__)

# How long a proxy's question stays open: an answer comes as soon as there is one.
LISTEN_S = 10.0


class SweepDriver:
    """Proposes the trials of a sweep and lets Tune take them to their ends. Its methods answer beside one another."""

    def __init__(self) -> None:
        """Tune is imported with the first call."""
        self._desk = Desk()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._error: str | None = None

    def pid(self) -> int:
        """Its process."""
        return os.getpid()

    def propose(self, sweep: dict[str, Any]) -> list[dict[str, Any]]:
        """See `tune_spaces.bridge.propose`."""
        from tune_spaces import bridge

        return bridge.propose(sweep_of(sweep))

    def start(self, course: Course) -> None:
        """Let Tune run; see `tune_spaces.bridge.run_trials`. Asking again changes nothing."""
        if self._thread is None:
            plan = sweep_of(course.sweep)
            self._desk = Desk(course.pending(plan), then_from=len(course.trials) + 1)
            runner = DeskRunner(ray.get_runtime_context().current_actor)
            self._thread = threading.Thread(target=self._run, args=(plan, course, runner), daemon=True)
            self._thread.start()

    def exchange(self, news: Mapping[int, TrialNews]) -> tuple[Requests, bool, str | None]:
        """Bring news; what Tune wants, whether it has ended, and the error that ended it."""
        self._desk.bring(news)
        ended = self._ended
        return self._desk.requests(), ended, self._error

    def submit(self, number: int) -> None:
        """For proxies."""
        self._desk.submit(number)

    def events(self, number: int, after: int) -> TrialNews:
        """For proxies."""
        return self._desk.events(number, after=after, wait_s=LISTEN_S)

    def stop(self, number: int) -> None:
        """For proxies."""
        self._desk.stop(number)

    def _run(self, plan: SweepSpec, course: Course, runner: DeskRunner) -> None:
        from tune_spaces import bridge

        try:
            bridge.run_trials(
                source_of(course, plan, self._desk),
                runner,
                scheduler=plan.scheduler,
                rounds=course.rounds,
                concurrency=course.concurrency,
                directory=course.directory,
            )
        except Exception as error:
            LOG.exception("Ray Tune ended with an error")
            self._error = f"{type(error).__name__}: {error}"
        self._ended = True


class DeskRunner:
    """The desk of a sweep's driver, for the proxies in other processes."""

    def __init__(self, driver: ActorHandle) -> None:
        """Call `driver`."""
        self._driver = driver

    def submit(self, number: int, overrides: dict[str, Any]) -> None:
        """Have a trial run; the dispatcher knows its overrides already."""
        ray.get(self._driver.submit.remote(number))

    def events(self, number: int, *, after: int) -> TrialNews:
        """What happened to a trial after round `after`; waits a while for something to happen."""
        news: TrialNews = ray.get(self._driver.events.remote(number, after))
        return news

    def stop(self, number: int) -> None:
        """Tune wants no more of a trial."""
        ray.get(self._driver.stop.remote(number))
