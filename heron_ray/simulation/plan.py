"""The plan of a round: who takes part, in which order, in which blocks and chunks, who attacks, and who is cut short.

A pure function of spec, round, host count and the clients' shards.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from heron_ray.edge import BufferedRound, Fate, Flight, RoundClock
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.edge_rounds import EdgeRound, EdgeRounds
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec

CHUNKS_PER_HOST = 2
"""So many chunks a round per host: the main server works on the first while the host computes the second."""

BLOCKS_PER_ROUND = 4
"""A multiple of so many blocks a round, so that up to so many hosts have the same work; half as many where the whole cohort
would fit into one block."""

CHUNK_BYTES = 32 * 2**20
"""A chunk's smashed data are handed over whenever they reach this many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive clients of the cohort, computed by one host and sent in one message (or more, bounded by bytes).

    Attributes:
        round: The round t.
        number: The chunk's place in the round, counted from 0.
        host: Which host.
        blocks: The clients; those of a block are computed together. Blocks do not depend on the number of hosts.
        attackers: Those among them that attack in this round.
        cuts: Those among them that bring no update in this round, each with the number of its uploads that reach the main
            server.
        late: Those of the cut ones whose update comes in a later round: they do all their work.
    """

    round: int
    number: int
    host: int
    blocks: tuple[tuple[int, ...], ...]
    attackers: tuple[int, ...] = ()
    cuts: tuple[tuple[int, int], ...] = ()
    late: tuple[int, ...] = ()

    @property
    def clients(self) -> tuple[int, ...]:
        """The clients of all blocks, in order."""
        return tuple(client for block in self.blocks for client in block)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """One round. Chunks only decide where clients are computed and how messages are cut: results do not depend on them.

    `clock` is the round in virtual time; None without an edge. `buffered` is there with an aggregation buffer only.
    """

    round: int
    cohort: tuple[int, ...]
    attackers: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    clock: RoundClock | None = None
    buffered: BufferedRound | None = None

    @property
    def finished(self) -> tuple[int, ...]:
        """The clients whose work of this or an earlier round was taken in this one."""
        if self.clock is None:
            return self.cohort
        now = tuple(one.client for one in self.clock.clients if one.fate is Fate.FINISHED)
        return now if self.buffered is None else (*(client for client, _ in self.buffered.carried), *now)


def byzantine_clients(spec: ExperimentSpec) -> tuple[int, ...]:
    """The Byzantine clients of a run in ascending order, the same in every round; none without an attack."""
    if spec.attack is None:
        return ()
    draw = generator(derive(spec.seed, Purpose.BYZANTINE))
    return tuple(sorted(draw.choice(spec.clients.count, size=spec.attack.count(spec.clients.count), replace=False).tolist()))


def planner(setup: Setup, after_round: int = 0, flights: Sequence[Flight] = ()) -> Callable[[int, int], RoundPlan]:
    """How a run is planned: a function of the round and the number of hosts.

    Args:
        setup: The experiment.
        after_round: The round from which it goes on.
        flights: Who is at work then; only with an aggregation buffer.

    Raises:
        DataError, EdgeError: As `EdgeRounds` does.
    """
    edge = EdgeRounds(setup, after_round, flights).round if setup.spec.edge is not None else None
    return functools.partial(plan_round, setup.spec, block=setup.clients_per_block(), batch_size=setup.batch_size, edge=edge)


def plan_round(
    spec: ExperimentSpec,
    round: int,
    hosts: int,
    *,
    block: int = 1,
    batch_size: Callable[[int], int] = lambda client: 1,
    edge: Callable[[int], EdgeRound] | None = None,
) -> RoundPlan:
    """The plan of one round.

    Args:
        spec: The experiment.
        round: The round t, counted from 1.
        hosts: Number of client hosts to place the cohort on.
        block: Clients that may be computed together, at most; those of a block have the same batch size.
        batch_size: How many samples a client has in a batch: its share of the round's work.
        edge: Round to cohort and clock, where there is a simulated edge.
    """
    simulated = None if edge is None else edge(round)
    cohort = _cohort(spec, round) if simulated is None else simulated.cohort
    cuts = {} if simulated is None else simulated.cuts
    buffered = None if simulated is None else simulated.buffered
    late = () if buffered is None else buffered.late
    attackers = _attackers(spec, round, cohort)
    blocks = _blocks(cohort, block, batch_size)
    count = min(len(blocks), hosts * CHUNKS_PER_HOST)
    chunks = tuple(
        Chunk(
            round=round,
            number=number,
            host=_host(number, hosts),
            blocks=part,
            attackers=tuple(client for one in part for client in one if client in attackers),
            cuts=tuple((client, cuts[client]) for one in part for client in one if client in cuts),
            late=tuple(client for one in part for client in one if client in late),
        )
        for number, part in enumerate(_balanced(blocks, count, batch_size))
    )
    clock = None if simulated is None else simulated.clock
    return RoundPlan(
        round=round, cohort=cohort, attackers=tuple(sorted(attackers)), chunks=chunks, clock=clock, buffered=buffered
    )


def _cohort(spec: ExperimentSpec, round: int) -> tuple[int, ...]:
    draw = generator(derive(spec.seed, Purpose.COHORT, round))
    return tuple(int(client) for client in draw.choice(spec.clients.count, size=spec.clients.cohort, replace=False))


def _host(number: int, hosts: int) -> int:
    """Forth and back over the hosts, so that chunks that are larger than others meet smaller ones."""
    lap, place = divmod(number, hosts)
    return place if lap % 2 == 0 else hosts - 1 - place


def _blocks(cohort: Sequence[int], block: int, batch_size: Callable[[int], int]) -> list[tuple[int, ...]]:
    """The cohort in blocks of at most `block` consecutive clients whose batches are of one size."""
    if block == 1 or not cohort:
        return [(client,) for client in cohort]
    multiple = BLOCKS_PER_ROUND if len(cohort) > block else BLOCKS_PER_ROUND // 2
    count = min(len(cohort), -(-len(cohort) // (block * multiple)) * multiple)
    parts = (cohort[len(cohort) * number // count : len(cohort) * (number + 1) // count] for number in range(count))
    return [tuple(alike) for part in parts for _, alike in itertools.groupby(part, key=batch_size)]


def _balanced(
    blocks: Sequence[tuple[int, ...]], count: int, batch_size: Callable[[int], int]
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Cut blocks into `count` runs, none empty, of as nearly the same work as their order allows; none for no blocks."""
    if not blocks:
        return
    done = np.cumsum([sum(batch_size(client) for client in block) for block in blocks])
    start = 0
    for number in range(1, count + 1):
        nearest = int(np.abs(done - done[-1] * number / count).argmin()) + 1
        end = min(max(nearest, start + 1), len(blocks) - (count - number))
        yield tuple(blocks[start:end])
        start = end


def _attackers(spec: ExperimentSpec, round: int, cohort: tuple[int, ...]) -> frozenset[int]:
    """The clients of the cohort that attack in this round."""
    if spec.attack is None or round < spec.attack.start_round:
        return frozenset()
    return frozenset(cohort).intersection(byzantine_clients(spec))
