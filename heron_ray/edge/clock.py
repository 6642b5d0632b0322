"""The virtual clock of one round: a discrete-event simulation over all clients of the round.

    download | work, upload, work, upload, ... | work | update          each client, work and uploads overlapping
                   |           |
                   v           v
               main server: one upload at a time, as they arrive

A client computes one thing at a time and sends one message at a time. Where the main server answers, the client waits for the
answer; else it computes on while its message is under way. The servers' own bandwidth is unlimited, and the federation server
takes no time.

The main server serves uploads **as they arrive in virtual time**, ties in canonical order: a server would not stand idle for a
slow client. Its arithmetic takes them in canonical order all the same (`heron_ray.simulation.round`), so no parameter
depends on this queue; only which uploads come before a round's end does, and that is part of the plan.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from heron_ray.edge.turn import Transfer, Turn, Work


class Fate(Enum):
    """How a client's round ended."""

    FINISHED = "its update arrived in time"
    DROPPED = "it vanished in the middle of the round"
    LATE = "the deadline came first"
    SURPLUS = "enough others had finished"


@dataclass(frozen=True, slots=True)
class Span:
    """What a client was busy with, from when to when in seconds of the round, and the joules of all of it."""

    kind: Literal["download", "work", "upload", "answer", "update"]
    start_s: float
    end_s: float
    joules: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientClock:
    """One client's round.

    Attributes:
        client: Its number.
        fate: How it ended.
        uploads: Its uploads that reached the main server in time.
        end_s: When it finished or vanished; of others, when the round closed.
        joules: What it spent until then.
        timeline: What it was busy with until then, in order of the beginnings.
    """

    client: int
    fate: Fate
    uploads: int
    end_s: float
    joules: float
    timeline: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundClock:
    """One round.

    Attributes:
        closed_s: When it took no more messages.
        end_s: When the main server had served what had come until then: the round's end.
        server_busy_s: How long the main server worked.
        messages: That arrived in time, both ways.
        clients: In canonical order.
    """

    closed_s: float
    end_s: float
    server_busy_s: float
    messages: int
    clients: tuple[ClientClock, ...]

    @property
    def energy_j(self) -> float:
        """What all clients spent together."""
        return sum(client.joules for client in self.clients)

    def count(self, fate: Fate) -> int:
        """How many clients met a fate."""
        return sum(client.fate is fate for client in self.clients)


def simulate_round(turns: Sequence[Turn], *, deadline_s: float | None = None, needed: int | None = None) -> RoundClock:
    """The clock of one round.

    Args:
        turns: What each client does and how long it takes, in canonical order.
        deadline_s: After so many seconds nothing more is taken; what arrives at that very moment is. None: never.
        needed: The round closes once so many clients have finished. None: once all have finished or vanished.
    """
    return _Round(turns, deadline_s, len(turns) if needed is None else needed).run()


_Action = Callable[[float], None]


@dataclass(slots=True)
class _Client:
    place: int
    turn: Turn
    step: int = 0
    uplink_free_s: float = 0.0
    last_arrival_s: float = 0.0
    uploads: int = 0
    sent: int = 0
    fate: Fate | None = None
    end_s: float = 0.0
    spans: list[Span] = field(default_factory=list)


class _Round:
    def __init__(self, turns: Sequence[Turn], deadline_s: float | None, needed: int) -> None:
        self._clients = [_Client(place, turn) for place, turn in enumerate(turns)]
        self._deadline_s, self._needed = deadline_s, needed
        self._heap: list[tuple[float, int, int, _Action]] = []
        self._events = 0
        self._open = len(turns)
        self._finished = 0
        self._messages = 0
        self._server_free_s = self._server_busy_s = 0.0
        self._waiting: list[_Client] = []

    def run(self) -> RoundClock:
        for client in self._clients:
            self._begin(client)
        now = 0.0
        while self._heap and self._open and self._finished < self._needed:
            time, _, _, action = heapq.heappop(self._heap)
            if self._deadline_s is not None and time > self._deadline_s:
                break
            now = time
            action(now)
        is_over = not self._open or self._finished >= self._needed
        closed = now if is_over or self._deadline_s is None else self._deadline_s
        left = Fate.SURPLUS if self._finished >= self._needed else Fate.LATE
        return RoundClock(
            closed_s=closed,
            end_s=max(closed, self._server_free_s),
            server_busy_s=self._server_busy_s,
            messages=self._messages,
            clients=tuple(_result(client, closed, left) for client in self._clients),
        )

    def _at(self, time: float, client: _Client, action: _Action) -> None:
        """Ties go to the client that comes first in canonical order, then to what was planned first."""
        self._events += 1
        heapq.heappush(self._heap, (time, client.place, self._events, action))

    def _begin(self, client: _Client) -> None:
        download = client.turn.download
        if download is None:
            self._at(0.0, client, lambda now: self._go_on(client, now))
            return
        client.spans.append(Span("download", 0.0, download.busy_s, download.joules))
        self._at(download.busy_s + download.delay_s, client, lambda now: self._receive(client, now))

    def _receive(self, client: _Client, now: float) -> None:
        self._messages += 1
        self._go_on(client, now)

    def _go_on(self, client: _Client, now: float) -> None:
        """Begin the next work, or vanish."""
        turn = client.turn
        if turn.drops_after is not None and client.sent >= turn.drops_after:
            self._at(max(now, client.last_arrival_s), client, lambda now: self._end(client, now, Fate.DROPPED))
        elif client.step == len(turn.steps):
            self._work(client, now, turn.last, lambda now: self._update(client, now))
        else:
            self._work(client, now, turn.steps[client.step].work, lambda now: self._send(client, now))

    def _work(self, client: _Client, now: float, work: Work, then: _Action) -> None:
        if work.seconds:
            client.spans.append(Span("work", now, now + work.seconds, work.joules))
        self._at(now + work.seconds, client, then)

    def _send(self, client: _Client, now: float) -> None:
        step = client.turn.steps[client.step]
        client.step += 1
        arrive = self._arrive_upload if step.kind == "upload" else self._arrive_exchange
        client.sent += step.kind == "upload"
        self._put(client, now, step.up, "upload", lambda now: arrive(client, step.down, now))
        if step.down is None and step.kind == "upload":
            self._go_on(client, now)

    def _put(self, client: _Client, now: float, message: Transfer, kind: Literal["upload", "update"], then: _Action) -> None:
        """Send a message as soon as those before it have left."""
        start = max(now, client.uplink_free_s)
        client.uplink_free_s = start + message.busy_s
        client.spans.append(Span(kind, start, client.uplink_free_s, message.joules))
        arrival = client.uplink_free_s + message.delay_s
        client.last_arrival_s = max(client.last_arrival_s, arrival)
        self._at(arrival, client, then)

    def _arrive_upload(self, client: _Client, answer: Transfer | None, now: float) -> None:
        self._messages += 1
        client.uploads += 1
        self._server_free_s = max(self._server_free_s, now) + client.turn.server_s
        self._server_busy_s += client.turn.server_s
        if answer is not None:
            self._answer(client, self._server_free_s, answer)

    def _arrive_exchange(self, client: _Client, answer: Transfer | None, now: float) -> None:
        """Wait for the cohort; its mean goes to all at once."""
        self._messages += 1
        self._waiting.append(client)
        if len(self._waiting) < self._open:
            return
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._answer(one, now, one.turn.steps[one.step - 1].down)

    def _answer(self, client: _Client, sent: float, answer: Transfer | None) -> None:
        if answer is None:
            self._at(sent, client, lambda now: self._go_on(client, now))
            return
        client.spans.append(Span("answer", sent, sent + answer.busy_s, answer.joules))
        self._at(sent + answer.busy_s + answer.delay_s, client, lambda now: self._receive(client, now))

    def _update(self, client: _Client, now: float) -> None:
        update = client.turn.update
        if update is None:
            self._at(max(now, client.last_arrival_s), client, lambda now: self._end(client, now, Fate.FINISHED))
        else:
            self._put(client, now, update, "update", lambda now: self._take(client, now))

    def _take(self, client: _Client, now: float) -> None:
        """The update has arrived; a message sent before it that is still under way is waited for."""
        self._messages += 1
        self._at(max(now, client.last_arrival_s), client, lambda now: self._end(client, now, Fate.FINISHED))

    def _end(self, client: _Client, now: float, fate: Fate) -> None:
        client.fate, client.end_s = fate, now
        self._open -= 1
        self._finished += fate is Fate.FINISHED


def _result(client: _Client, closed: float, left: Fate) -> ClientClock:
    """What came of a client; of what it was busy with when the round closed, the part until then counts."""
    spans = [span for span in client.spans if span.start_s <= closed]
    timeline = tuple(_until(span, closed) for span in spans)
    return ClientClock(
        client=client.turn.client,
        fate=left if client.fate is None else client.fate,
        uploads=client.uploads,
        end_s=closed if client.fate is None else client.end_s,
        joules=sum(span.joules for span in timeline),
        timeline=timeline,
    )


def _until(span: Span, closed: float) -> Span:
    if span.end_s <= closed:
        return span
    share = (closed - span.start_s) / (span.end_s - span.start_s)
    return Span(span.kind, span.start_s, closed, span.joules * share)
