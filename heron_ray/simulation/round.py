"""One round, from broadcast to aggregation, over whatever executor there is.

Arrays go from role to role by reference; the driver reads only each chunk's bookkeeping. Clients are computed ahead on
several hosts, but the main server and the federation server always take chunks in canonical order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from heron_ray.measure.traffic import TrafficLedger
from heron_ray.simulation.executor import Executor, Reference
from heron_ray.simulation.messages import Progress, Waiting
from heron_ray.simulation.plan import Chunk, RoundPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOutcome:
    """What a round measured: mean losses (None where nobody knows one) and traffic; whether parameters are finite."""

    client_loss: float | None
    server_loss: float | None
    traffic: TrafficLedger
    client_is_finite: bool
    server_is_finite: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Barrier:
    """The exchange after which clients go on, and the cohort's mean scalars."""

    number: int
    mean: Reference


_START = _Barrier(number=0, mean=None)


@dataclass(slots=True)
class _Tally:
    losses: list[float] = field(default_factory=list)
    traffic: TrafficLedger = field(default_factory=TrafficLedger)

    def add(self, progress: Progress) -> None:
        self.losses += progress.losses
        self.traffic.merge(progress.traffic)


def run_round(
    executor: Executor,
    plan: RoundPlan,
    *,
    coupled: bool,
    keeps_state: bool,
    meanwhile: Callable[[], None] = lambda: None,
) -> RoundOutcome:
    """Carry out one round.

    Args:
        executor: Where the roles live.
        plan: Who takes part, in which order and chunks.
        coupled: Whether uploads are answered; then chunks are computed one after another.
        keeps_state: Whether clients continue from kept optimizer state.
        meanwhile: Called once, when the hosts have been given their first chunks.
    """
    federation = executor.federation_server
    broadcast = federation.call("broadcast")
    tally = _Tally()
    sweep = _Sweep(executor, broadcast, keeps_state=keeps_state, lookahead=1 if coupled else executor.lookahead)
    exchanged = sweep.run(plan.chunks, _START, tally, meanwhile)
    barrier = 0
    while exchanged:
        barrier += 1
        mean = federation.call("exchange", *[scalars for _, scalars in exchanged])
        exchanged = sweep.run([chunk for chunk, _ in exchanged], _Barrier(number=barrier, mean=mean), tally)
    server, aligned = executor.main_server.call_parts("finish_round", 2, plan.round)
    if keeps_state:
        federation.call("keep", aligned)
    client_is_finite = executor.get(federation.call("aggregate"))
    server_loss, server_is_finite, sent_down = executor.get(server)
    tally.traffic.merge(sent_down)
    return RoundOutcome(
        client_loss=sum(tally.losses) / len(tally.losses) if tally.losses else None,
        server_loss=server_loss,
        traffic=tally.traffic,
        client_is_finite=client_is_finite,
        server_is_finite=server_is_finite,
    )


class _Sweep:
    """Takes every chunk up to its end or to the cohort's next barrier."""

    def __init__(self, executor: Executor, broadcast: Reference, *, keeps_state: bool, lookahead: int) -> None:
        self._executor = executor
        self._broadcast = broadcast
        self._keeps_state = keeps_state
        self._ahead = lookahead * len(executor.hosts) if lookahead > 1 else 1
        self._in_flight: deque[Reference] = deque()

    def run(
        self, chunks: Sequence[Chunk], barrier: _Barrier, tally: _Tally, meanwhile: Callable[[], None] = lambda: None
    ) -> list[tuple[Chunk, Reference]]:
        """Returns the chunks that wait for the cohort, each with the scalars its clients exchange."""
        exchanged = []
        launched: dict[int, Sequence[Reference]] = {}
        for position, chunk in enumerate(chunks):
            for coming in chunks[position : position + self._ahead]:
                if coming.number not in launched:
                    launched[coming.number] = self._launch(coming, barrier)
            if position == 0:
                meanwhile()
            waiting, scalars = self._follow(chunk, launched.pop(chunk.number), barrier, tally)
            if waiting is Waiting.COHORT:
                exchanged.append((chunk, scalars))
        while self._in_flight:
            self._executor.get(self._in_flight.popleft())
        return exchanged

    def _launch(self, chunk: Chunk, barrier: _Barrier) -> Sequence[Reference]:
        """Begin a chunk, or take it on from a barrier; what its clients keep is sent with their beginning only."""
        kept: Reference = ()
        if self._keeps_state and barrier is _START:
            kept = self._executor.federation_server.call("kept_states", chunk.clients)
        return self._advance(chunk, barrier, kept, None)

    def _advance(self, chunk: Chunk, barrier: _Barrier, kept: Reference, reply: Reference) -> Sequence[Reference]:
        host = self._executor.hosts[chunk.host]
        return host.call_parts("advance", 4, chunk, self._broadcast, kept, reply, barrier.number, barrier.mean)

    def _follow(self, chunk: Chunk, parts: Sequence[Reference], barrier: _Barrier, tally: _Tally) -> tuple[Waiting, Reference]:
        """Hand a chunk's messages on until it is done or waits for the cohort."""
        while True:
            progress_reference, uploads, updates, scalars = parts
            reply = self._executor.main_server.call("consume", uploads)
            self._executor.federation_server.call("collect", updates)
            self._bound(reply)
            progress: Progress = self._executor.get(progress_reference)
            tally.add(progress)
            if progress.waiting in (Waiting.NOTHING, Waiting.COHORT):
                return progress.waiting, scalars
            parts = self._advance(chunk, barrier, (), reply)

    def _bound(self, consumed: Reference) -> None:
        """Back-pressure: never more than a few messages between the hosts and the main server."""
        self._in_flight.append(consumed)
        if len(self._in_flight) > self._ahead:
            self._executor.get(self._in_flight.popleft())
