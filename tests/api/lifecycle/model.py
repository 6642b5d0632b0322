"""The lifecycle of experiments as plainly as it can be said: dictionaries instead of databases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from api.domain.states import LIVE, TERMINAL, TRANSITIONS, State
from heron_ray.errors import ConflictError, NotFoundError, StaleAttemptError

# The number of a spec, and the experiment that is repeated.
Asked: TypeAlias = tuple[int, str | None]


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt, as the model sees it."""

    id: int
    token: int
    owner: str
    exit_reason: str | None = None


@dataclass(slots=True, kw_only=True)
class Experiment:
    """One experiment, as the model sees it."""

    id: str
    asked: Asked
    state: State = State.QUEUED
    states: list[State] = field(default_factory=lambda: [State.QUEUED])
    round: int = 0
    told: list[int] = field(default_factory=list)
    points: dict[tuple[str, int], float] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def become(self, state: State) -> None:
        """Follow the table, or refuse."""
        if state not in TRANSITIONS[self.state]:
            raise ConflictError(f"{self.state} to {state}")
        self.state = state
        self.states.append(state)

    def record(self, events: list[dict[str, Any]]) -> None:
        """Every finished round once, every point as it was told last."""
        for event in events:
            if event["round"] not in self.told:
                self.told.append(event["round"])
            self.round = max(self.round, event["round"])
            self.points |= {(name, event["round"]): value for name, value in event["metrics"].items()}

    def series(self) -> dict[str, dict[str, list[Any]]]:
        """The points in the shape of the store's."""
        series: dict[str, dict[str, list[Any]]] = {}
        for (name, round), value in sorted(self.points.items()):
            curve = series.setdefault(name, {"rounds": [], "values": []})
            curve["rounds"].append(round)
            curve["values"].append(value)
        return series


class Model:
    """All experiments, oldest first. Methods raise what the store should raise, and change nothing then."""

    def __init__(self) -> None:
        self.experiments: dict[str, Experiment] = {}
        self.held: dict[str, str] = {}

    def find(self, id: str) -> Experiment:
        """One experiment that is there."""
        if id not in self.experiments:
            raise NotFoundError(id)
        return self.experiments[id]

    def under(self, key: str, asked: Asked) -> str | None:
        """The id of what was asked for under this key before; None where it is free."""
        if key in self.held and self.experiments[self.held[key]].asked != asked:
            raise ConflictError(key)
        return self.held.get(key)

    def add(self, id: str, asked: Asked, key: str | None) -> None:
        """A new experiment; `asked` is the number of its spec and what it repeats."""
        self.experiments[id] = Experiment(id=id, asked=asked)
        if key is not None:
            self.held[key] = id

    def oldest_queued(self) -> Experiment | None:
        """The next to be claimed."""
        return next((one for one in self.experiments.values() if one.state == State.QUEUED), None)

    def attempts(self) -> list[Attempt]:
        """Those of all experiments that are there."""
        return [attempt for one in self.experiments.values() for attempt in one.attempts]

    def living(self) -> list[Attempt]:
        """Those that have not ended."""
        return [attempt for attempt in self.attempts() if attempt.exit_reason is None]

    def lock(self, attempt_id: int) -> tuple[Experiment, Attempt]:
        """A living attempt and its experiment."""
        for one in self.experiments.values():
            for attempt in one.attempts:
                if attempt.id == attempt_id and attempt.exit_reason is None:
                    return one, attempt
        raise StaleAttemptError(str(attempt_id))

    def fenced(self, attempt_id: int, token: int) -> tuple[Experiment, Attempt]:
        """The same, for the holder of the newest token."""
        one, attempt = self.lock(attempt_id)
        if attempt.token != token:
            raise StaleAttemptError(str(attempt_id))
        return one, attempt

    def running(self, attempt_id: int, token: int) -> None:
        """Seen running."""
        one, _ = self.fenced(attempt_id, token)
        if one.state == State.STARTING:
            one.become(State.RUNNING)

    def record(self, attempt_id: int, token: int, events: list[dict[str, Any]]) -> None:
        """Events of an attempt."""
        self.fenced(attempt_id, token)[0].record(events)

    def finish(self, attempt_id: int, token: int, state: State) -> None:
        """The end of an attempt and its experiment."""
        if state not in TERMINAL:
            raise ConflictError(state)
        one, attempt = self.fenced(attempt_id, token)
        one.become(state)
        attempt.exit_reason = state.lower()

    def interrupt(self, attempt_id: int, token: int, *, reason: str, max_attempts: int) -> None:
        """The end of an attempt, and perhaps of its experiment."""
        one, attempt = self.fenced(attempt_id, token)
        attempt.exit_reason = reason
        if one.state == State.CANCELLING:
            one.become(State.CANCELLED)
            return
        one.become(State.INTERRUPTED)
        one.become(State.QUEUED if len(one.attempts) < max_attempts else State.FAILED)

    def adopt(self, attempt_id: int, owner: str) -> None:
        """Another owner, another token."""
        attempt = self.lock(attempt_id)[1]
        attempt.token += 1
        attempt.owner = owner

    def cancel(self, id: str) -> None:
        """Asked for by a person."""
        one = self.find(id)
        if one.state == State.QUEUED:
            one.become(State.CANCELLED)
        elif one.state in LIVE - {State.CANCELLING}:
            one.become(State.CANCELLING)
        elif one.state in TERMINAL:
            raise ConflictError(id)

    def require_ended(self, id: str) -> Experiment:
        """One that has ended."""
        one = self.find(id)
        if one.state not in TERMINAL:
            raise ConflictError(id)
        return one

    def delete(self, id: str) -> None:
        """Gone, and its key free."""
        self.require_ended(id)
        del self.experiments[id]
        self.held = {key: held for key, held in self.held.items() if held != id}
