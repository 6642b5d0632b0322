"""The simulated edge of one experiment: who can take part, who is sampled, and how each round goes in virtual time.

A round is a pure function of spec and round, so that it may be part of the plan.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from heron_ray.edge import (
    Availability,
    BufferedRound,
    Fate,
    Flight,
    Hardware,
    RoundClock,
    buffered_round,
    make_turn,
    simulate_round,
)
from heron_ray.edge.availability import Diurnal, Patterns
from heron_ray.edge.csv_files import parse_patterns
from heron_ray.errors import EdgeError
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.edge_clients import edge_file, edge_of, no_client_left, population
from heron_ray.simulation.profile import client_costs
from heron_ray.simulation.rhythm import Rhythms
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.edge import DiurnalAvailability

THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Validation accuracies for which a result tells the virtual time; beside them, that of `stop`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRound:
    """One round.

    Attributes:
        cohort: The sampled clients in canonical order.
        cuts: Of those whose update does not count, how many of their uploads do.
        clock: What happened when.
        buffered: Who works on and whose earlier work arrives; None without an aggregation buffer.
    """

    cohort: tuple[int, ...]
    cuts: dict[int, int]
    clock: RoundClock
    buffered: BufferedRound | None = None


class EdgeRounds:
    """All rounds of one experiment.

    With an aggregation buffer, rounds are asked for one after another: who works on is known only from the round before.

    Args:
        setup: Its spec has an edge.
        after_round: The round from which the run goes on.
        flights: Who is at work then.

    Raises:
        DataError: A file of devices or patterns is missing or malformed.
        EdgeError: No client has the memory, or none can meet the deadline.
    """

    def __init__(self, setup: Setup, after_round: int = 0, flights: Sequence[Flight] = ()) -> None:
        """Draw the population; measure what a client does in a round."""
        self._after_round, self._flights = after_round, tuple(flights) if edge_of(setup.spec).buffer is not None else ()
        self._spec, self._batch_size = setup.spec, setup.batch_size
        self._edge = edge_of(setup.spec)
        self._population = population(setup.spec)
        self._availability = availability(setup.spec)
        self._rhythms = Rhythms(setup.spec)
        self.peak_bytes = client_costs(setup.spec).client_peak_bytes
        self._able = self._population.able(self.peak_bytes)
        if self._able is not None and not self._able.any():
            raise no_client_left(self._spec, self._population, self.peak_bytes)
        if self._able is not None and setup.spec.method.kind == "ho_sfl":
            raise EdgeError(
                f"ho_sfl needs every client, and {int((~self._able).sum())} of them cannot hold its {self.peak_bytes:,} bytes",
                hint="choose larger devices or another method",
            )
        self.round = functools.lru_cache(maxsize=2)(self._simulate)
        self._require_meetable(setup.shards.sizes)

    def _simulate(self, round: int) -> EdgeRound:
        spec, edge = self._spec, self._edge
        if edge.buffer is not None and round != self._after_round + 1:
            raise ValueError(f"round {round} does not follow round {self._after_round}, and clients work on in between")
        cohort = self._sample(round)
        turns = []
        for client in cohort:
            rhythm = self._rhythms.of(self._batch_size(client))
            turns.append(
                make_turn(
                    client,
                    rhythm,
                    self._population[client],
                    server_flops_per_s=edge.server_flops_per_s,
                    draw=generator(derive(spec.seed, Purpose.LINK, round, client)),
                    drops_after=self._drops_after(round, client, rhythm.uploads),
                )
            )
        buffered: BufferedRound | None = None
        if edge.buffer is None:
            clock = simulate_round(turns, deadline_s=edge.deadline_s, needed=spec.clients.cohort if edge.oversample else None)
        else:
            buffered = buffered_round(round, turns, self._flights, edge.buffer)
            clock, self._after_round, self._flights = buffered.clock, round, buffered.flights
        cuts = {client.client: client.uploads for client in clock.clients if client.fate is not Fate.FINISHED}
        return EdgeRound(cohort=cohort, cuts=cuts, clock=clock, buffered=buffered)

    def _sample(self, round: int) -> tuple[int, ...]:
        """As without an edge where everybody can take part; else from those who can; fewer where there are fewer.

        With a buffer, as many as are missing from those at work.
        """
        count, wanted = self._spec.clients.count, self._spec.clients.cohort + self._edge.oversample - len(self._flights)
        there = self._able
        if self._availability is not None:
            present = self._availability.in_round(round)
            there = present if there is None else present & there
        if self._flights:
            there = np.ones(count, dtype=np.bool_) if there is None else there.copy()
            there[[flight.client for flight in self._flights]] = False
        draw = generator(derive(self._spec.seed, Purpose.COHORT, round))
        if there is None:
            return tuple(draw.choice(count, size=wanted, replace=False).tolist())
        clients: NDArray[np.int64] = np.flatnonzero(there)
        return tuple(draw.choice(clients, size=max(0, min(wanted, len(clients))), replace=False).tolist())

    def _drops_after(self, round: int, client: int, uploads: int) -> int | None:
        """After how many uploads a client vanishes, each number as likely as the others; None for most clients."""
        if not self._edge.dropout:
            return None
        draw = generator(derive(self._spec.seed, Purpose.DROPOUT, round, client))
        return int(draw.integers(uploads, endpoint=True)) if draw.random() < self._edge.dropout else None

    def _require_meetable(self, sizes: NDArray[np.int64]) -> None:
        """Whether some client meets the deadline, where it is alone with the servers and its link shows its best side."""
        deadline = self._edge.deadline_s
        if deadline is None:
            return
        chosen = slice(None) if self._able is None else self._able
        smallest = self._rhythms.of(min(self._spec.clients.batch_size, int(sizes[chosen].min())))

        def alone(hardware: Hardware) -> float:
            turn = make_turn(0, smallest, hardware, server_flops_per_s=self._edge.server_flops_per_s, draw=None)
            return simulate_round([turn]).closed_s

        kinds = np.unique(self._population.numbers[chosen]).tolist()
        fastest = min(alone(self._population.kinds[kind]) for kind in kinds)
        if fastest > deadline:
            raise EdgeError(
                f"no client can meet edge.deadline_s={deadline:g}: the fastest needs {fastest:.3g} s of virtual time for a "
                f"round of {self._spec.method.kind}",
                hint="give more time, or have clients do and send less: local_steps, probes, upload_every, the model",
            )


@dataclass(slots=True, kw_only=True)
class VirtualTime:
    """What a run's rounds came to in virtual time; it goes into checkpoints.

    Attributes:
        seconds: All rounds so far.
        joules: All clients so far.
        reached_s: When the server's validation accuracy was first seen to be that high, by threshold; at evaluations only.
        flights: Who is at work when the next round begins; empty without an aggregation buffer.
    """

    seconds: float = 0.0
    joules: float = 0.0
    reached_s: dict[str, float] = field(default_factory=dict)
    flights: tuple[Flight, ...] = ()

    def add(self, clock: RoundClock, buffered: BufferedRound | None = None) -> dict[str, float]:
        """Add a round; returns its figures by series name."""
        self.flights = () if buffered is None else buffered.flights
        self.seconds += clock.end_s
        self.joules += clock.energy_j
        return {
            "simulated_time_s": self.seconds,
            "round_time_s": clock.end_s,
            "energy_j": clock.energy_j,
            "clients_finished": clock.count(Fate.FINISHED),
            "clients_dropped": clock.count(Fate.DROPPED),
            "clients_late": clock.count(Fate.LATE),
            **({} if buffered is None else _buffer_series(buffered)),
        }

    def judge(self, spec: ExperimentSpec, scores: Mapping[str, float], seconds: float) -> None:
        """Note what an evaluation after `seconds` of virtual time shows."""
        wanted = {*THRESHOLDS}
        if spec.stop is not None and spec.stop.accuracy is not None:
            wanted.add(spec.stop.accuracy)
        for threshold in sorted(wanted):
            if scores["validation_accuracy"] >= threshold:
                self.reached_s.setdefault(f"{threshold:g}", seconds)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        flights = {"flights": [asdict(one) for one in self.flights]} if self.flights else {}
        return {"seconds": self.seconds, "joules": self.joules, "reached_s": dict(self.reached_s), **flights}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> VirtualTime:
        """What `to_dict` described."""
        flights = tuple(Flight(**one) for one in value.get("flights", ()))
        return cls(seconds=value["seconds"], joules=value["joules"], reached_s=dict(value["reached_s"]), flights=flights)


def _buffer_series(buffered: BufferedRound) -> dict[str, float]:
    joined = len(buffered.staleness)
    return {
        "updates_joined": joined,
        "updates_discarded": len(buffered.discarded),
        "mean_staleness": sum(buffered.staleness) / joined if joined else 0.0,
        "clients_at_work": len(buffered.flights),
    }


def availability(spec: ExperimentSpec) -> Availability | None:
    """Who is there in which round; None where all are, always. Raises DataError where its file is missing or malformed."""
    section = edge_of(spec).availability
    if section is None:
        return None
    if isinstance(section, DiurnalAvailability):
        return Diurnal(section, spec.clients.count, spec.seed)
    patterns = parse_patterns(edge_file("edge.availability.path", section.path), section.path)
    return Patterns(patterns, spec.clients.count, spec.seed)
