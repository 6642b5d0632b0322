"""`SweepWatch`: one sweep from its start to its end, in a thread of the dispatcher.

Between the process in which Ray Tune runs and the database: Tune asks for trials, they become experiments, and what is
measured goes back to Tune. Every step may be repeated, so nothing is lost or run twice when either side dies.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from api.dispatcher.outcome import INTERNAL_ERROR
from api.dispatcher.settings import RENEWALS, DispatcherSettings
from api.dispatcher.sweep_desk import Requests
from api.dispatcher.sweep_driver import SweepDriver
from api.domain.states import TERMINAL, State
from api.domain.sweeps import SweepRecord, best_trial
from api.store import Store
from heron_ray.errors import DatabaseError, HeronError, StaleAttemptError
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.space import SweepSpec
from tune_spaces import sweep_of, trial_spec
from tune_spaces.news import TrialNews

LOG = logging.getLogger(__name__)

NO_TRIAL_SUCCEEDED = "no_trial_succeeded"
STOPPED_EARLY = "stopped_early"
CANCELLED = "cancel_requested"
TICK_S = 0.2
RETRY_S = 1.0


class _ClosedError(Exception):
    """The dispatcher is closing: whoever comes next takes the sweep up again."""


class SweepWatch(threading.Thread):
    """Conducts a sweep whose lease the caller has just taken. `record` is where it stood then."""

    def __init__(self, store: Store, settings: DispatcherSettings, sweep: SweepRecord) -> None:
        """Nothing happens before `start`."""
        super().__init__(name=f"sweep-{sweep.id}", daemon=True)
        self._store = store.sweeps
        self._settings = settings
        self.sweep = sweep
        self._plan: SweepSpec = sweep_of(sweep.sweep)
        self._directory = settings.checkpoints.parent / "sweeps" / sweep.id
        self._closing = threading.Event()
        self._driver: Any = None
        self._renew_at = 0.0
        # Of the trials begun, by number: how far Tune was told of those under way, those it knows the end of, and those
        # that were asked to stop.
        self._trials: dict[int, ExperimentSpec] = {}
        self._heard: dict[int, int] = {}
        self._ended: set[int] = set()
        self._stopped: set[int] = set()

    def close(self) -> None:
        """Leave the sweep as it stands."""
        self._closing.set()

    def run(self) -> None:
        """The thread's work."""
        try:
            self._persist()
        except _ClosedError:
            LOG.info("sweep %s is left as it stands", self.sweep.id)
        except StaleAttemptError as error:
            LOG.warning("%s; letting go of it", error)
        except HeronError as error:
            self._fail(error.code, str(error))
        except Exception as error:
            LOG.exception("sweep %s", self.sweep.id)
            self._fail(INTERNAL_ERROR, f"{type(error).__name__}: {error}")
        finally:
            self._end_driver()
            shutil.rmtree(self._directory, ignore_errors=True)

    def _persist(self) -> None:
        """Conduct the sweep, again from the database's record whenever Tune's process or the database is lost."""
        while True:
            try:
                if self._is_cancelling():
                    self._finish_cancelled()
                else:
                    self._conduct()
            except RayTaskError as error:
                raise error.cause from error
            except (RayError, DatabaseError) as error:
                LOG.warning("sweep %s: %s; taking it up again", self.sweep.id, " ".join(str(error).split())[:300])
                self._end_driver()
                self._pause(RETRY_S)
            else:
                return

    def _conduct(self) -> None:
        """Carry news to Tune and its wishes to the database until it is through with every trial."""
        self._trials = self._start()
        self._heard, self._ended, self._stopped = {}, set(), set()
        while not self._is_cancelling():
            news = self._news()
            requests, is_over, error = self._call("exchange", news)
            for number, what in news.items():
                self._note(number, what)
            self._carry_out(requests)
            if error is not None:
                raise RuntimeError(error)
            if is_over and self._has_ended():
                self._finish()
                return
            self._pause(TICK_S)
        self._finish_cancelled()

    def _news(self) -> dict[int, TrialNews]:
        """What was measured since it was last told, of every trial under way."""
        found = self._store.scores(self.sweep.id, self._heard)
        return {number: TrialNews(scores=tuple(scores), ended=over) for number, (scores, over) in found.items()}

    def _note(self, number: int, what: TrialNews) -> None:
        """Tune has heard it."""
        if what.scores:
            self._heard[number] = what.scores[-1][0]
        if what.ended:
            self._ended.add(number)
            del self._heard[number]

    def _carry_out(self, requests: Requests) -> None:
        for number in requests.begun:
            if number not in self._heard and number not in self._ended:
                self._store.submit_trial(self.sweep.id, self.sweep.token, number, self._trials[number])
                self._heard[number] = 0
        if late := set(requests.unwanted) - self._ended - self._stopped:
            self._stop_trials(sorted(late), STOPPED_EARLY, "fell behind the other trials of its sweep")
            self._stopped |= late

    def _start(self) -> dict[int, ExperimentSpec]:
        """Bring up Tune's process with the trials recorded earlier, or with new ones, recorded before any begins."""
        options = {"num_cpus": 0, "max_restarts": 0, "max_concurrency": 2 * self._concurrency + 8}
        self._driver = ray.remote(SweepDriver).options(**options).remote()
        pid = self._call("pid")
        id, token = self.sweep.id, self.sweep.token
        proposals = self._store.proposals(id)
        if proposals is None:
            proposals = self._call("propose", self.sweep.sweep)
        trials = {number: self._trial(number, overrides) for number, overrides in enumerate(proposals, start=1)}
        self._store.running(id, token, owner_pid=pid, proposals=proposals)
        LOG.info("sweep %s: %d trials, Ray Tune in process %d", id, len(trials), pid)
        numbered = dict(enumerate(proposals, start=1))
        rounds = max(spec.rounds for spec in trials.values())
        # One per process: one that was believed dead may still write for a moment.
        directory = str(self._directory / str(pid))
        self._call("start", numbered, self._plan.scheduler, rounds, self._concurrency, directory)
        return trials

    @property
    def _concurrency(self) -> int:
        """One trial more than can run, so that a driver never waits for Tune."""
        return self._settings.concurrency + 1

    def _trial(self, number: int, overrides: dict[str, Any]) -> ExperimentSpec:
        """A trial's experiment. Where the spec leaves the executor open it runs whole in one warm process."""
        spec = trial_spec(self.sweep.base, self._plan.space, overrides)
        compute = spec.compute
        if compute.executor == "auto":
            compute = compute.model_copy(update={"executor": "local"})
        name = f"{spec.name[:180]} trial {number}"
        return spec.model_copy(update={"name": name, "compute": compute})

    def _finish(self) -> None:
        """Every trial has ended."""
        trials = self._store.trials(self.sweep.id)
        state, reason, message = State.SUCCEEDED, None, None
        if best_trial(trials) is None:
            state, reason = State.FAILED, NO_TRIAL_SUCCEEDED
            message = f"none of the {len(trials)} trials succeeded; their experiments say why"
        self._store.finish(self.sweep.id, self.sweep.token, state=state, reason=reason, message=message)
        LOG.info("sweep %s: %s", self.sweep.id, state)

    def _finish_cancelled(self) -> None:
        self._end_driver()
        message = "its sweep was cancelled"
        while not self._has_ended():
            self._is_cancelling()
            self._stop_trials(None, CANCELLED, message)
            self._pause(TICK_S)
        self._store.finish(
            self.sweep.id, self.sweep.token, state=State.CANCELLED, reason=CANCELLED, message="cancelled on request"
        )
        LOG.info("sweep %s: CANCELLED", self.sweep.id)

    def _fail(self, reason: str, message: str) -> None:
        """The sweep cannot go on; its trials are not left running for nobody."""
        LOG.warning("sweep %s: %s", self.sweep.id, message)
        try:
            self._stop_trials(None, CANCELLED, "its sweep failed")
            self._store.finish(self.sweep.id, self.sweep.token, state=State.FAILED, reason=reason, message=message)
        except HeronError:
            # The sweep stays as it is; the dispatcher takes it up again once nobody watches it.
            LOG.exception("sweep %s could not be ended", self.sweep.id)

    def _has_ended(self) -> bool:
        """Whether no trial that was submitted still lives."""
        trials = self._store.trials(self.sweep.id)
        return all(trial.state in TERMINAL for trial in trials if trial.experiment_id is not None)

    def _stop_trials(self, numbers: list[int] | None, reason: str, message: str) -> None:
        self._store.stop_trials(self.sweep.id, self.sweep.token, numbers, reason=reason, message=message)

    def _is_cancelling(self) -> bool:
        """Look at the sweep; renew the lease again and again while it lasts. Raises StaleAttemptError."""
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + self._settings.lease_s / RENEWALS
            return self._store.renew(self.sweep.id, self.sweep.token, lease_s=self._settings.lease_s).state == State.CANCELLING
        return self._store.get(self.sweep.id).state == State.CANCELLING

    def _call(self, method: str, *arguments: Any) -> Any:
        """Ask Tune's process; one that does not answer for too long counts as lost."""
        return ray.get(getattr(self._driver, method).remote(*arguments), timeout=self._settings.silence_s)

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise _ClosedError

    def _end_driver(self) -> None:
        driver, self._driver = self._driver, None
        if driver is None:
            return
        try:
            ray.kill(driver)
        except RayError as error:
            LOG.warning("sweep %s: Tune's process could not be ended: %s", self.sweep.id, error)
