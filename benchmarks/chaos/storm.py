"""One storm: experiments submitted to a real service, its processes killed at random, and what came of it."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from api.domain.states import TERMINAL, State
from api.supervisor.processes import find_marked
from api.supervisor.state_directory import StateDirectory
from benchmarks.chaos.bystander import Bystander
from benchmarks.chaos.runs import Undisturbed, faults_of
from benchmarks.chaos.victims import HARMLESS, find_victims
from heron_ray.cli.service_process import ServiceProcess

# The last kills fall before the last rounds, so that something is left to be disturbed.
LAST_KILL: Final = 0.97
LONGEST_PAUSE_S: Final = 1.0
LOOK_S: Final = 0.1
PAGE: Final = 200
# What the service does when nothing is said, and the most that may be asked for.
DEFAULT_ATTEMPTS: Final = 5
MOST_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One `kill -9`: when, in seconds since the first submission; of what."""

    at_s: float
    kind: str
    pid: int


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a storm. Nothing was lost where `faults` is empty."""

    seconds: float = 0.0
    kills: list[Kill] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    exit_reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "seconds": round(self.seconds, 1),
            "kills": len(self.kills),
            "kills_by_kind": dict(sorted(Counter(kill.kind for kill in self.kills).items())),
            "experiments": len(self.attempts),
            "attempts": {str(number): count for number, count in sorted(Counter(self.attempts).items())},
            "attempts_ended_by": dict(sorted(self.exit_reasons.items())),
            "faults": self.faults,
        }


class Storm:
    """Experiments under fire.

    Args:
        undisturbed: The kinds of experiments, each with what it must come to; submitted in turn.
        experiments: How many to submit. Where all have ended and kills are left, one more is: each kill disturbs something.
        kills: How many processes to kill.
        seed: Of when and what is killed.
        limit_s: Everything must be over within this time.
        tell: Called with a line about each kill.
    """

    def __init__(
        self,
        undisturbed: Sequence[Undisturbed],
        *,
        experiments: int,
        kills: int,
        seed: int,
        limit_s: float,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Nothing is started before `run`."""
        self._kinds = itertools.cycle(undisturbed)
        self._experiments = experiments
        self._kills = kills
        self._submitted: dict[str, Undisturbed] = {}
        self._random = random.Random(seed)
        self._limit_s = limit_s
        self._tell = tell
        self._outcome = Outcome()

    def run(self, database_url: str, folder: Path) -> Outcome:
        """Start a service on an empty database, and everything else.

        Args:
            database_url: The service's database.
            folder: An existing folder for everything that is written; its path must be short.

        Returns:
            What came of it; taking longer than `limit_s` is a fault.
        """
        state = folder / "state"
        with Bystander(folder) as bystander:
            with ServiceProcess(state, ["--database", database_url]) as service, httpx.Client(base_url=service.url) as client:
                mark = StateDirectory(state).read_service()["mark"]
                self._start_at = time.monotonic()
                self._client = client
                try:
                    self._rage(mark)
                except TimeoutError as error:
                    self._outcome.faults.append(str(error))
                self._outcome.seconds = time.monotonic() - self._start_at
            if left := find_marked(mark):
                self._outcome.faults.append(f"the service left {len(left)} processes behind: {left}")
            if not bystander.is_unharmed():
                self._outcome.faults.append("another service's Ray was harmed")
        return self._outcome

    def _rage(self, mark: str) -> None:
        fields = self._ask("/openapi.json")["components"]["schemas"]["Submission"]["properties"]
        self._most_attempts = MOST_ATTEMPTS if "retry" in fields else DEFAULT_ATTEMPTS
        for _ in range(self._experiments):
            self._submit()
        self._kill_at_random(mark)
        self._wait_until(self._have_ended, "every experiment has ended")
        self._compare()

    def _submit(self) -> None:
        expected = next(self._kinds)
        body = {"spec": expected.spec}
        if self._most_attempts == MOST_ATTEMPTS:
            body["retry"] = {"max_attempts": MOST_ATTEMPTS}
        key = {"Idempotency-Key": f"chaos-{len(self._submitted)}"}
        self._submitted[self._ask("/v1/experiments", body=body, headers=key)["id"]] = expected

    def _kill_at_random(self, mark: str) -> None:
        self._kill_while_under_way(mark)
        while len(self._outcome.kills) < self._kills:
            self._submit()
            self._kill_while_under_way(mark)

    def _kill_while_under_way(self, mark: str) -> None:
        """Until all kills are made or every experiment has ended; they fall due as rounds are finished."""
        finished, left = self._progress(), self._kills - len(self._outcome.kills)
        last = finished + LAST_KILL * (sum(expected.rounds for expected in self._submitted.values()) - finished)
        for due in sorted(self._random.uniform(finished + 1, last) for _ in range(left)):
            self._wait_until(lambda at=due: self._have_ended() or self._progress() >= at, f"{due:.0f} rounds are finished")
            time.sleep(self._random.uniform(0.0, LONGEST_PAUSE_S))
            self._wait_until(lambda: self._have_ended() or self._kill_one(mark), "a process to kill")
            if self._have_ended():
                return

    def _kill_one(self, mark: str) -> bool:
        victims = find_victims(mark)
        kinds = sorted(victims if self._may_lose_attempts() else HARMLESS & victims.keys())
        if not kinds:
            return False
        kind = self._random.choice(kinds)
        victim = self._random.choice(victims[kind])
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return False
        kill = Kill(at_s=round(time.monotonic() - self._start_at, 1), kind=kind, pid=victim.pid)
        self._outcome.kills.append(kill)
        self._tell(f"{kill.at_s:7.1f} s  kill {len(self._outcome.kills)}/{self._kills}: {kind} {kill.pid}")
        return True

    def _may_lose_attempts(self) -> bool:
        """Whether every experiment that is under way has two attempts left: one may be spent since it was looked at."""
        query = "/v1/experiments?limit=200&state=QUEUED&state=STARTING&state=RUNNING&state=INTERRUPTED"
        under_way = self._ask(query)["experiments"]
        begun = [one["id"] for one in under_way if one["state"] != State.QUEUED or one["progress"]["round"]]
        pages = [self._ask(f"/v1/experiments/{id}") for id in begun]
        return all(len(page["attempts"]) < self._most_attempts - 1 for page in pages)

    def _found(self) -> list[Mapping[str, Any]]:
        experiments = self._ask(f"/v1/experiments?limit={PAGE}")["experiments"]
        assert len(experiments) == len(self._submitted)
        return experiments

    def _progress(self) -> int:
        """Rounds finished in all."""
        return sum(one["progress"]["round"] for one in self._found())

    def _have_ended(self) -> bool:
        return all(one["state"] in TERMINAL for one in self._found())

    def _compare(self) -> None:
        for id, expected in self._submitted.items():
            page = self._ask(f"/v1/experiments/{id}")
            faults = faults_of(page, self._ask(f"/v1/experiments/{id}/series")["series"], self._events(id), expected)
            self._outcome.faults += [f"experiment {id}: {fault}" for fault in faults]
            self._outcome.attempts.append(len(page["attempts"]))
            self._outcome.exit_reasons.update(attempt["exit_reason"] for attempt in page["attempts"])

    def _events(self, id: str) -> list[Mapping[str, Any]]:
        events: list[Mapping[str, Any]] = []
        while batch := self._ask(f"/v1/experiments/{id}/events?after={len(events)}&limit=1000")["events"]:
            events += batch
        return events

    def _ask(self, path: str, *, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """The API's answer, to a POST where there is a body; asked for again while the API or its database is away."""
        answers: list[Any] = []

        def ask() -> bool:
            try:
                answer = self._client.request("POST" if body else "GET", path, json=body, headers=headers, timeout=10)
            except httpx.TransportError:
                return False
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return False
            answers.append(answer.raise_for_status().json())
            return True

        self._wait_until(ask, f"an answer at {path}")
        return answers[0]

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        while not condition():
            if time.monotonic() - self._start_at > self._limit_s:
                raise TimeoutError(f"after {self._limit_s:g} s still waiting: {what}")
            time.sleep(LOOK_S)
