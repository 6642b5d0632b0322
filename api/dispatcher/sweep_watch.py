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
from api.dispatcher.sweep_sources import Course
from api.domain.states import TERMINAL, State
from api.domain.sweeps import SweepRecord, TrialRecord, points_of
from api.store import Store
from heron_ray.errors import DatabaseError, HeronError, StaleAttemptError
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import extreme_specs, sweep_of, trial_spec
from tune_spaces.news import WORST, TrialNews
from tune_spaces.points import with_seeds

LOG = logging.getLogger(__name__)

NO_TRIAL_SUCCEEDED = "no_trial_succeeded"
STOPPED_EARLY = "stopped_early"
OBJECTIVE_NOT_REPORTED = "objective_not_reported"
BUDGET_SPENT = "budget_spent"
CANCELLED = "cancel_requested"
TICK_S = 0.2
AHEAD = 1
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
        self._known = 0
        self._renew_at = 0.0
        # By number: the experiments of all trials; how far Tune was told of those under way; those it knows the end of, those
        # that have an experiment in the database, and those that were asked to stop.
        self._trials: list[ExperimentSpec] = []
        self._heard: dict[int, int] = {}
        self._ended: set[int] = set()
        self._submitted: set[int] = set()
        self._stopped: set[int] = set()
        # Once its budget is spent, no more trials begin.
        self._is_spent = False

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
        """Conduct the sweep, again from the database's record whenever Tune's process or the database is lost, or it grew."""
        is_over = False
        while not is_over:
            try:
                if self._look().state == State.CANCELLING:
                    self._finish_cancelled()
                    return
                is_over = self._conduct()
            except RayTaskError as error:
                raise error.cause from error
            except (RayError, DatabaseError) as error:
                LOG.warning("sweep %s: %s; taking it up again", self.sweep.id, " ".join(str(error).split())[:300])
                self._pause(RETRY_S)
            finally:
                self._end_driver()

    def _conduct(self) -> bool:
        """Carry news to Tune and its wishes to the database until it is through with every trial; False: start over."""
        self._start()
        while True:
            sweep = self._look()
            if sweep.state == State.CANCELLING:
                self._finish_cancelled()
                return True
            if sweep.sweep != self.sweep.sweep:
                LOG.info("sweep %s was extended", sweep.id)
                self.sweep, self._plan = sweep, sweep_of(sweep.sweep)
                return False
            news = self._news()
            requests, is_over, error = self._call("exchange", news)
            for number, what in news.items():
                self._note(number, what)
            self._carry_out(requests, may_begin=sweep.paused_at is None)
            if error is not None:
                raise RuntimeError(error)
            if self._is_at_rest(is_over):
                self._finish()
                return True
            if sweep.paused_at is not None and not self._heard:
                self._store.park(sweep.id, self.sweep.token)
                LOG.info("sweep %s is paused", sweep.id)
                return True
            self._pause(TICK_S)

    def _is_at_rest(self, is_over: bool) -> bool:
        """Whether all has ended that was to be, and what it came to is written down."""
        return not self._heard and (self._is_spent or (is_over and self._has_ended()))

    def _news(self) -> dict[int, TrialNews]:
        """What was measured since it was last told, of every trial under way, and what those that have ended came to."""
        if not self._heard:
            return {}
        objective = self._plan.objectives[0]
        sign = 1 if objective.direction == "max" else -1
        series = None if self._plan.scheduler == "none" else objective.series
        found = self._store.scores(self.sweep.id, self._heard, series=series)
        over = self._settle([number for number, (_, ended) in found.items() if ended])
        return {
            number: TrialNews(
                scores=[(round, WORST if value is None else sign * value) for round, value in scores],
                ended=ended,
                values=over.get(number),
            )
            for number, (scores, ended) in found.items()
        }

    def _settle(self, numbers: list[int]) -> dict[int, tuple[float, ...] | None]:
        """What ended trials came to, written down: a value per objective, or None for those that say nothing of their point."""
        if not numbers:
            return {}
        settled = self._store.settle(self.sweep.id, self.sweep.token, numbers, self._plan.objectives)
        return {number: _told(trial) for number, trial in settled.items()}

    def _note(self, number: int, what: TrialNews) -> None:
        """Tune has heard it."""
        if what.scores:
            self._heard[number] = what.scores[-1][0]
        if what.ended:
            self._ended.add(number)
            del self._heard[number]

    def _carry_out(self, requests: Requests, *, may_begin: bool) -> None:
        id, token = self.sweep.id, self.sweep.token
        if fresh := requests.proposed[len(self._trials) - self._known :]:
            # Written down before any of them begins, so that whoever takes the sweep over proposes none of them anew.
            self._store.propose(id, token, fresh, after=len(self._trials))
            self._trials += [self._trial(number, trial) for number, trial in enumerate(fresh, start=len(self._trials) + 1)]
        for number in requests.begun:
            if number in self._heard or number in self._ended:
                continue
            if number not in self._submitted:
                self._is_spent = self._is_spent or self._has_spent()
                if self._is_spent or not may_begin:
                    continue
            self._store.submit_trial(id, token, number, self._trials[number - 1])
            self._submitted.add(number)
            self._heard[number] = 0
        if late := set(requests.unwanted) - self._ended - self._stopped:
            self._stop_trials(sorted(late), STOPPED_EARLY, "fell behind the other trials of its sweep")
            self._stopped |= late

    def _has_spent(self) -> bool:
        budget = self._plan.budget.model_dump(exclude_none=True)
        if not budget:
            return False
        spent = self._store.spent(self.sweep.id)
        return any(getattr(spent, name) >= most for name, most in budget.items())

    def _start(self) -> None:
        """Bring up Tune's process with the trials recorded earlier, or with new ones, recorded before any begins."""
        options = {"num_cpus": 0, "max_restarts": 0, "max_concurrency": 2 * self._concurrency + 8}
        self._driver = ray.remote(SweepDriver).options(**options).remote()
        pid = self._call("pid")
        id, token, plan = self.sweep.id, self.sweep.token, self._plan
        seed = self.sweep.base.get("seed", 0)
        proposals = self._store.proposals(id) or []
        if not plan.is_adaptive and len(proposals) < plan.samples * plan.seeds:
            proposals += with_seeds(self._call("propose", self.sweep.sweep), plan.seeds, seed)[len(proposals) :]
        self._trials = [self._trial(number, overrides) for number, overrides in enumerate(proposals, start=1)]
        self._known = len(proposals)
        self._store.running(id, token, owner_pid=pid, proposals=proposals)
        LOG.info("sweep %s: %d trials, Ray Tune in process %d", id, len(proposals), pid)
        submitted = {trial.number: trial.state for trial in self._store.trials(id) if trial.experiment_id is not None}
        self._submitted = set(submitted)
        self._heard, self._ended, self._stopped, self._is_spent = {}, set(), set(), False
        course = Course(
            sweep=self.sweep.sweep,
            seed=seed,
            trials=proposals,
            ended=self._settle([number for number, state in submitted.items() if state in TERMINAL]),
            prior=self._store.prior(plan.warm_start, plan.objectives),
            rounds=max(spec.rounds for spec in self._trials or extreme_specs(plan.space, self.sweep.base)),
            concurrency=self._concurrency,
            # One per process: one that was believed dead may still write for a moment.
            directory=str(self._directory / str(pid)),
        )
        self._call("start", course)

    @property
    def _concurrency(self) -> int:
        """A trial more than can run, so that a driver does not wait for Tune."""
        return self._settings.concurrency + AHEAD

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
        if self._is_spent:
            begun = sum(trial.experiment_id is not None for trial in trials)
            reason, message = BUDGET_SPENT, f"its budget was spent after {begun} trials"
        if all(point.means is None for point in points_of(trials, seeds=self._plan.seeds)):
            state = State.FAILED
            reason, message = self._why_nothing(trials)
        self._store.finish(self.sweep.id, self.sweep.token, state=state, reason=reason, message=message)
        LOG.info("sweep %s: %s", self.sweep.id, state)

    def _why_nothing(self, trials: list[TrialRecord]) -> tuple[str, str]:
        """Why no point can be compared: a reason, and a sentence."""
        ended = [trial for trial in trials if trial.state == State.SUCCEEDED]
        if not ended:
            return NO_TRIAL_SUCCEEDED, f"none of the {len(trials)} trials succeeded; their experiments say why"
        if any(trial.figures is not None for trial in ended):
            return NO_TRIAL_SUCCEEDED, f"no point succeeded with all of its {self._plan.seeds} seeds; the experiments say why"
        columns = zip(self._plan.objectives, zip(*(trial.values or () for trial in ended), strict=True), strict=True)
        missing = [objective.label for objective, column in columns if all(value is None for value in column)]
        what = " and ".join(missing) or "all of its objectives"
        names = ", ".join(self._store.reported(self.sweep.id))
        return OBJECTIVE_NOT_REPORTED, f"no trial that succeeded reports {what}; reported are {names}"

    def _finish_cancelled(self) -> None:
        self._end_driver()
        message = "its sweep was cancelled"
        while not self._has_ended():
            self._look()
            self._stop_trials(None, CANCELLED, message)
            self._pause(TICK_S)
        self._settle([trial.number for trial in self._store.trials(self.sweep.id) if trial.experiment_id is not None])
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

    def _look(self) -> SweepRecord:
        """The sweep as it stands; the lease is renewed again and again while it lasts. Raises StaleAttemptError."""
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + self._settings.lease_s / RENEWALS
            return self._store.renew(self.sweep.id, self.sweep.token, lease_s=self._settings.lease_s)
        return self._store.get(self.sweep.id)

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


def _told(trial: TrialRecord) -> tuple[float, ...] | None:
    """What a search learns from a trial: also from one that was stopped early, but not from one that failed."""
    if trial.state == State.FAILED or trial.values is None:
        return None
    found = tuple(value for value in trial.values if value is not None)
    return found if len(found) == len(trial.values) else None
