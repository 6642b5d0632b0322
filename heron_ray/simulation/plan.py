"""The plan of a round: who takes part, in which order, in which chunks, and who attacks.

A pure function of spec, round and host count.
"""

from __future__ import annotations

from dataclasses import dataclass

from heron_ray.seeds import Purpose, derive, generator
from heron_ray.spec import ExperimentSpec

CHUNKS_PER_HOST = 2
"""So many chunks a round per host: the main server works on the first while the host computes the second."""

CHUNK_BYTES = 32 * 2**20
"""A chunk's smashed data are handed over whenever they reach this many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive clients of the cohort, computed by one host and sent in one message (or more, bounded by bytes).

    `attackers` are those among them that attack in this round.
    """

    round: int
    number: int
    host: int
    clients: tuple[int, ...]
    attackers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """One round. Chunks only decide where clients are computed and how messages are cut: results do not depend on them."""

    round: int
    cohort: tuple[int, ...]
    attackers: tuple[int, ...]
    chunks: tuple[Chunk, ...]


def byzantine_clients(spec: ExperimentSpec) -> tuple[int, ...]:
    """The Byzantine clients of a run in ascending order, the same in every round; none without an attack."""
    if spec.attack is None:
        return ()
    draw = generator(derive(spec.seed, Purpose.BYZANTINE))
    return tuple(sorted(draw.choice(spec.clients.count, size=spec.attack.byzantine, replace=False).tolist()))


def plan_round(spec: ExperimentSpec, round: int, hosts: int) -> RoundPlan:
    """The plan of one round.

    Args:
        spec: The experiment.
        round: The round t, counted from 1.
        hosts: Number of client hosts to place the cohort on.
    """
    draw = generator(derive(spec.seed, Purpose.COHORT, round))
    cohort = tuple(int(client) for client in draw.choice(spec.clients.count, size=spec.clients.cohort, replace=False))
    attackers = _attackers(spec, round, cohort)
    count = min(len(cohort), hosts * CHUNKS_PER_HOST)
    bounds = [len(cohort) * number // count for number in range(count + 1)]
    parts = [slice(bounds[number], bounds[number + 1]) for number in range(count)]
    chunks = tuple(
        Chunk(
            round=round,
            number=number,
            host=number % hosts,
            clients=cohort[part],
            attackers=tuple(client for client in cohort[part] if client in attackers),
        )
        for number, part in enumerate(parts)
    )
    return RoundPlan(round=round, cohort=cohort, attackers=tuple(sorted(attackers)), chunks=chunks)


def _attackers(spec: ExperimentSpec, round: int, cohort: tuple[int, ...]) -> frozenset[int]:
    """The clients of the cohort that attack in this round."""
    if spec.attack is None or round < spec.attack.start_round:
        return frozenset()
    return frozenset(cohort).intersection(byzantine_clients(spec))
