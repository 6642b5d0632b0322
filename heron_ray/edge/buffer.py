"""Buffered aggregation (FedBuff: Nguyen et al., AISTATS 2022, arXiv 2106.06639) in rounds of virtual time.

A round is the time between two aggregations. Clients work on across its end, and their updates are joined when they arrive:

    begin:   new clients are sampled until as many are at work as the cohort; they get the present model
    end:     the moment the K-th update arrives, whoever began it when, or all at work have ended
    join:    (update of client i) * w(s_i),   s_i = rounds since it began,   w(s) = 1 / sqrt(1 + s)  or  1

An update that arrives with s_i above the bound is discarded, and does not count to K. What arrives at the very moment of the
K-th is joined as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from heron_ray.edge.clock import ClientClock, Fate, RoundClock, simulate_round
from heron_ray.edge.turn import Turn
from heron_ray.spec.edge import BufferSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A client that is at work when a round begins.

    Attributes:
        client: Its number.
        began: In which round.
        left_s: Seconds from the round's beginning until its update arrives or it vanishes.
        sends: Whether it sends an update then.
    """

    client: int
    began: int
    left_s: float
    sends: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferedRound:
    """One round.

    Attributes:
        clock: Of the clients that began in it. Those still at work at its end are `LATE`; their energy is that of their whole
            turn, also what comes after this round.
        late: Those of them whose update comes in a later round.
        carried: Clients of earlier rounds whose update is joined in this one, and by what it is multiplied; by the rounds in
            which they began, then in canonical order.
        discarded: Clients whose update came too late to be joined.
        flights: Who is at work when the next round begins.
        staleness: Rounds since each joined update began, those of this round (0) included.
    """

    clock: RoundClock
    late: tuple[int, ...]
    carried: tuple[tuple[int, float], ...]
    discarded: tuple[int, ...]
    flights: tuple[Flight, ...]
    staleness: tuple[int, ...]


def weight(spec: BufferSpec, staleness: int) -> float:
    """w(s).

    >>> weight(BufferSpec(size=2), 3), weight(BufferSpec(size=2, weight="constant"), 3)
    (0.5, 1.0)
    """
    return 1 / math.sqrt(1 + staleness) if spec.weight == "inverse_sqrt" else 1.0


def buffered_round(round: int, turns: Sequence[Turn], flights: Sequence[Flight], spec: BufferSpec) -> BufferedRound:
    """One round.

    Args:
        round: The round t.
        turns: The clients that begin in it, in canonical order. None waits for another.
        flights: Those at work already, by the rounds in which they began, then in canonical order.
        spec: K, the bound and the weights.
    """
    whole = simulate_round(turns)
    begun = [Flight(client=one.client, began=round, left_s=one.end_s, sends=one.fate is Fate.FINISHED) for one in whole.clients]
    closed = _close([*flights, *begun], round, spec)
    cut = simulate_round(turns, deadline_s=closed)
    clients = tuple(_with_all_of(one, two) for one, two in zip(cut.clients, whole.clients, strict=True))
    end = max(closed, cut.end_s)
    clock = replace(cut, closed_s=closed, end_s=end, messages=whole.messages, clients=clients)
    arrived = [one for one in flights if one.left_s <= closed and one.sends]
    joined = [one for one in arrived if round - one.began <= spec.staleness]
    return BufferedRound(
        clock=clock,
        late=tuple(one.client for one in begun if one.left_s > closed and one.sends),
        carried=tuple((one.client, weight(spec, round - one.began)) for one in joined),
        discarded=tuple(one.client for one in arrived if round - one.began > spec.staleness),
        flights=tuple(replace(one, left_s=max(0.0, one.left_s - end)) for one in (*flights, *begun) if one.left_s > closed),
        staleness=(*(round - one.began for one in joined), *[0] * clock.count(Fate.FINISHED)),
    )


def _close(at_work: Sequence[Flight], round: int, spec: BufferSpec) -> float:
    """When the K-th update that counts arrives, or the last client ends."""
    arrivals = sorted(one.left_s for one in at_work if one.sends and round - one.began <= spec.staleness)
    if len(arrivals) >= spec.size:
        return arrivals[spec.size - 1]
    return max((one.left_s for one in at_work), default=0.0)


def _with_all_of(cut: ClientClock, whole: ClientClock) -> ClientClock:
    """A client's round with what it does after the end, but for the uploads that come too late."""
    if cut.fate is not Fate.LATE:
        return cut
    return replace(whole, fate=Fate.LATE, uploads=cut.uploads)
