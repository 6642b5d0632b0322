"""One round, from broadcast to aggregation, over whatever executor there is.

Arrays go from role to role by reference; the driver reads only each chunk's bookkeeping. A message is one object for both
servers, and the federation server gets several at a time: where roles are actors, calls and objects are what costs.
Clients are computed ahead on several hosts, but both servers always take chunks in canonical order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import Method
from heron_ray.simulation.executor import Executor, Reference
from heron_ray.simulation.messages import ProbeFigures, Progress, Waiting
from heron_ray.simulation.plan import Chunk, RoundPlan
from heron_ray.simulation.roles.scrutiny import Scrutiny


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOutcome:
    """What a round measured: mean losses (None where nobody knows one) and traffic; whether parameters are finite.

    `client_losses` are those of single clients that know one, in canonical order.

    `filtered` counts uploads that the main server's filter refused, by series name; empty without one.

    For diagnoses alone: what clients' `probes` came to, the `scrutiny` of their updates, and by client how many of its uploads
    were filtered and how many came (`filtered_clients`; empty without a filter).
    """

    client_losses: Mapping[int, float]
    server_loss: float | None
    traffic: TrafficLedger
    client_is_finite: bool
    server_is_finite: bool
    scrutiny: Scrutiny
    filtered: Mapping[str, float] = field(default_factory=dict)
    probes: ProbeFigures = field(default_factory=ProbeFigures)
    filtered_clients: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def client_loss(self) -> float | None:
        """Their mean."""
        return sum(self.client_losses.values()) / len(self.client_losses) if self.client_losses else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Barrier:
    """The exchange after which clients go on, and the cohort's mean scalars."""

    number: int
    mean: Reference


_START = _Barrier(number=0, mean=None)


@dataclass(slots=True)
class _Tally:
    losses: dict[int, float] = field(default_factory=dict)
    traffic: TrafficLedger = field(default_factory=TrafficLedger)
    probes: ProbeFigures = field(default_factory=ProbeFigures)

    def add(self, progress: Progress) -> None:
        self.losses.update(progress.losses)
        for figures in progress.probes:
            self.probes += figures
        self.traffic.merge(progress.traffic)


def run_round(
    executor: Executor, plan: RoundPlan, method: Method[Any], meanwhile: Callable[[], None] = lambda: None
) -> RoundOutcome:
    """Carry out one round.

    Args:
        executor: Where the roles live.
        plan: Who takes part, in which order and chunks.
        method: Whose round it is. Where it answers uploads, chunks are computed one after another.
        meanwhile: Called once, when the hosts have been given their first chunks.
    """
    federation = executor.federation_server
    broadcast = federation.call("broadcast")
    tally = _Tally()
    sweep = _Sweep(executor, method, broadcast)
    if not plan.chunks:
        meanwhile()
    exchanged = sweep.run(plan.chunks, _START, tally, meanwhile)
    barrier = 0
    while exchanged:
        barrier += 1
        mean = federation.call("exchange", *[message for _, message in exchanged])
        exchanged = sweep.run([chunk for chunk, _ in exchanged], _Barrier(number=barrier, mean=mean), tally)
    server, aligned = executor.main_server.call_parts("finish_round", 2, plan.round)
    if method.keeps_state:
        federation.call("keep", aligned)
    carried, discarded = (plan.buffered.carried, plan.buffered.discarded) if plan.buffered is not None else ((), ())
    client_is_finite, scrutiny = executor.get(federation.call("aggregate", plan.round, carried, discarded))
    server_loss, server_is_finite, sent_down, filtered = executor.get(server)
    tally.traffic.merge(sent_down)
    return RoundOutcome(
        client_losses=tally.losses,
        server_loss=server_loss,
        traffic=tally.traffic,
        client_is_finite=client_is_finite,
        server_is_finite=server_is_finite,
        filtered=filtered,
        scrutiny=scrutiny,
        probes=tally.probes,
        filtered_clients=executor.get(executor.main_server.call("filtered_clients")) if filtered else {},
    )


class _Sweep:
    """Takes every chunk up to its end or to the cohort's next barrier."""

    def __init__(self, executor: Executor, method: Method[Any], broadcast: Reference) -> None:
        self._executor = executor
        self._method = method
        self._broadcast = broadcast
        self._ahead = 1 if method.coupled or executor.lookahead == 1 else executor.lookahead * len(executor.hosts)
        self._in_flight: deque[Reference] = deque()
        self._uncollected: list[Reference] = []

    def run(
        self, chunks: Sequence[Chunk], barrier: _Barrier, tally: _Tally, meanwhile: Callable[[], None] = lambda: None
    ) -> list[tuple[Chunk, Reference]]:
        """Returns the chunks that wait for the cohort, each with the message that has the scalars its clients exchange."""
        exchanged = []
        launched: dict[int, Sequence[Reference]] = {}
        for position, chunk in enumerate(chunks):
            for coming in chunks[position : position + self._ahead]:
                if coming.number not in launched:
                    launched[coming.number] = self._launch(coming, barrier)
            if position == 0:
                meanwhile()
            waiting, message = self._follow(chunk, launched.pop(chunk.number), barrier, tally)
            if waiting is Waiting.COHORT:
                exchanged.append((chunk, message))
        self._collect()
        while self._in_flight:
            self._executor.get(self._in_flight.popleft())
        return exchanged

    def _launch(self, chunk: Chunk, barrier: _Barrier) -> Sequence[Reference]:
        """Begin a chunk, or take it on from a barrier; what its clients keep is sent with their beginning only."""
        kept: Reference = ()
        if self._method.keeps_state and barrier is _START:
            kept = self._executor.federation_server.call("kept_states", chunk.clients)
        return self._advance(chunk, barrier, kept, None)

    def _advance(self, chunk: Chunk, barrier: _Barrier, kept: Reference, reply: Reference) -> Sequence[Reference]:
        host = self._executor.hosts[chunk.host]
        return host.call_parts("advance", 2, chunk, self._broadcast, kept, reply, barrier.number, barrier.mean)

    def _follow(self, chunk: Chunk, parts: Sequence[Reference], barrier: _Barrier, tally: _Tally) -> tuple[Waiting, Reference]:
        """Hand a chunk's messages on until it is done or waits for the cohort; the last one is returned as well."""
        while True:
            progress_reference, message = parts
            reply: Reference = None
            if self._method.has_main_server:
                reply = self._executor.main_server.call("consume", message)
                self._bound(reply)
            progress: Progress = self._executor.get(progress_reference)
            tally.add(progress)
            if progress.has_updates:
                self._uncollected.append(message)
                if len(self._uncollected) == self._ahead:
                    self._collect()
            if progress.waiting in (Waiting.NOTHING, Waiting.COHORT):
                return progress.waiting, message
            parts = self._advance(chunk, barrier, (), reply)

    def _collect(self) -> None:
        """Let the federation server have the messages that wait for it."""
        if self._uncollected:
            self._bound(self._executor.federation_server.call("collect", *self._uncollected))
            self._uncollected.clear()

    def _bound(self, taken: Reference) -> None:
        """Back-pressure: never more than a few messages between the hosts and the servers."""
        self._in_flight.append(taken)
        if len(self._in_flight) > self._ahead:
            self._executor.get(self._in_flight.popleft())
