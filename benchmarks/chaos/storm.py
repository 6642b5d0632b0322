"""One storm: work submitted to a real service, its processes killed at random, and what came of it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import httpx
import psutil

from api.domain.states import State
from api.supervisor.processes import find_marked
from api.supervisor.state_directory import StateDirectory
from benchmarks.chaos.bystander import Bystander
from benchmarks.chaos.service import Service
from benchmarks.chaos.verdict import Verdict
from benchmarks.chaos.victims import HARMLESS, find_victims
from heron_ray.cli.service_process import ServiceProcess

# The last kills fall before the last rounds, so that something is left to be disturbed.
LAST_KILL: Final = 0.97
LONGEST_PAUSE_S: Final = 1.0


class Work(Protocol):
    """What a storm rages over.

    Attributes:
        name: In reports.
        most_attempts: That one experiment has.
    """

    name: ClassVar[str]
    most_attempts: ClassVar[int]

    def submit(self, service: Service) -> None:
        """Submit one piece more."""

    def rounds(self) -> int:
        """Of all that was submitted."""

    def finished(self, service: Service) -> int:
        """Rounds that are finished."""

    def have_ended(self, service: Service) -> bool:
        """Whether nothing is under way."""

    def judge(self, service: Service) -> Verdict:
        """Compare what it came to with what it comes to undisturbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One `kill -9`: when, in seconds since the first submission; of what."""

    at_s: float
    kind: str
    pid: int


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a storm. Nothing was lost where the verdict has no faults."""

    pieces: int = 0
    seconds: float = 0.0
    kills: list[Kill] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "pieces": self.pieces,
            "seconds": round(self.seconds, 1),
            "kills": len(self.kills),
            "kills_by_kind": dict(sorted(Counter(kill.kind for kill in self.kills).items())),
            "experiments": len(self.verdict.attempts),
            "attempts": {str(number): count for number, count in sorted(Counter(self.verdict.attempts).items())},
            "attempts_ended_by": dict(sorted(self.verdict.exit_reasons.items())),
            "faults": self.verdict.faults,
        }


class Storm:
    """Work under fire.

    Args:
        work: What is submitted.
        pieces: How many pieces of it. Where all have ended and kills are left, one more is submitted: each kill disturbs
            something.
        kills: How many processes to kill.
        seed: Of when and what is killed.
        limit_s: Everything must be over within this time.
        tell: Called with a line about each kill.
    """

    def __init__(
        self, work: Work, *, pieces: int, kills: int, seed: int, limit_s: float, tell: Callable[[str], None] = lambda line: None
    ) -> None:
        """Nothing is started before `run`."""
        self._work = work
        self._pieces = pieces
        self._kills = kills
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
        faults = []
        with Bystander(folder) as bystander:
            with ServiceProcess(state, ["--database", database_url]) as process, httpx.Client(base_url=process.url) as client:
                mark = StateDirectory(state).read_service()["mark"]
                self._service = Service(client, limit_s=self._limit_s)
                try:
                    self._rage(mark)
                except TimeoutError as error:
                    faults.append(str(error))
                self._outcome.seconds = self._service.seconds
            if left := find_marked(mark):
                faults.append(f"the service left {len(left)} processes behind: {left}")
            if not bystander.is_unharmed():
                faults.append("another service's Ray was harmed")
        self._outcome.verdict.faults += faults
        return self._outcome

    def _rage(self, mark: str) -> None:
        for _ in range(self._pieces):
            self._submit()
        self._kill_while_under_way(mark)
        while len(self._outcome.kills) < self._kills:
            self._submit()
            self._kill_while_under_way(mark)
        self._service.wait_until(self._have_ended, f"all {self._work.name} have ended")
        self._outcome.verdict = self._work.judge(self._service)

    def _submit(self) -> None:
        self._work.submit(self._service)
        self._outcome.pieces += 1

    def _have_ended(self) -> bool:
        return self._work.have_ended(self._service)

    def _kill_while_under_way(self, mark: str) -> None:
        """Until all kills are made or everything has ended; they fall due as rounds are finished."""
        wait_until, finished = self._service.wait_until, self._work.finished(self._service)
        last = finished + LAST_KILL * (self._work.rounds() - finished)
        left = self._kills - len(self._outcome.kills)
        for due in sorted(self._random.uniform(finished + 1, last) for _ in range(left)):
            wait_until(lambda at=due: self._is_due(at), f"{due:.0f} rounds are finished")
            time.sleep(self._random.uniform(0.0, LONGEST_PAUSE_S))
            wait_until(lambda: self._have_ended() or self._kill_one(mark), "a process to kill")
            if self._have_ended():
                return

    def _is_due(self, rounds: float) -> bool:
        return self._have_ended() or self._work.finished(self._service) >= rounds

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
        kill = Kill(at_s=round(self._service.seconds, 1), kind=kind, pid=victim.pid)
        self._outcome.kills.append(kill)
        self._tell(f"{kill.at_s:7.1f} s  kill {len(self._outcome.kills)}/{self._kills}: {kind} {kill.pid}")
        return True

    def _may_lose_attempts(self) -> bool:
        """Whether every experiment that is under way has two attempts left: one may be spent since it was looked at."""
        query = "/v1/experiments?limit=200&state=QUEUED&state=STARTING&state=RUNNING&state=INTERRUPTED"
        under_way = self._service.ask(query)["experiments"]
        begun = [one["id"] for one in under_way if one["state"] != State.QUEUED or one["progress"]["round"]]
        pages = [self._service.ask(f"/v1/experiments/{id}") for id in begun]
        return all(len(page["attempts"]) < self._work.most_attempts - 1 for page in pages)
