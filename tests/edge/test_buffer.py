"""Buffered aggregation, against rounds worked out by hand."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from heron_ray.edge import Fate, Flight, buffered_round
from heron_ray.edge.turn import Step, Transfer, Turn, Work
from heron_ray.spec.edge import BufferSpec

A, B, C = 0, 1, 2
SECONDS = {A: 1.0, B: 2.5, C: 5.6}


def turn(client: int, seconds: float, *, vanishes: bool = False) -> Turn:
    """A client that works for so long, uploads half way in no time at all, and ends with an update."""
    half = Work(seconds=seconds / 2, joules=seconds)
    at_once = Transfer(busy_s=0.0, delay_s=0.0)
    step = Step(kind="upload", work=half, up=at_once)
    return Turn(client=client, download=None, steps=(step,), last=half, update=at_once, drops_after=1 if vanishes else None)


def test_three_clients_and_a_buffer_of_two_worked_out_by_hand() -> None:
    """A turn takes 1 s with A, 2.5 s with B, 5.6 s with C. Who has ended begins anew with the next round."""
    spec = BufferSpec(size=2)

    # Seconds 0 to 2.5: A arrives after 1, B is the second after 2.5. C has 3.1 to go; its upload,
    # half way after 2.8, is too late.
    first = buffered_round(1, [turn(one, SECONDS[one]) for one in (A, B, C)], (), spec)
    assert first.clock.end_s == 2.5
    assert [one.fate for one in first.clock.clients] == [Fate.FINISHED, Fate.FINISHED, Fate.LATE]
    assert [one.uploads for one in first.clock.clients] == [1, 1, 0]
    assert (first.late, first.carried, first.staleness) == ((C,), (), (0, 0))
    assert first.flights == (Flight(client=C, began=1, left_s=5.6 - 2.5, sends=True),)

    # 2.5 to 5: the same again, and C has .6 to go.
    second = buffered_round(2, [turn(one, SECONDS[one]) for one in (A, B)], first.flights, spec)
    assert (second.clock.end_s, second.carried, second.late) == (2.5, (), ())
    (waiting,) = second.flights
    assert (waiting.client, waiting.began, round(waiting.left_s, 9)) == (C, 1, 0.6)

    # 5 to 6: C arrives after .6, two aggregations late: 1 / sqrt(3). A is the second after 1. B has 1.5 to go.
    third = buffered_round(3, [turn(one, SECONDS[one]) for one in (A, B)], second.flights, spec)
    assert (third.clock.end_s, third.carried) == (1.0, ((C, 1 / math.sqrt(3)),))
    assert (third.staleness, third.late) == ((2, 0), (B,))
    assert third.flights == (Flight(client=B, began=3, left_s=1.5, sends=True),)

    # 6 to 7.5: A, then B, one aggregation late: 1 / sqrt(2). C began with this round.
    fourth = buffered_round(4, [turn(one, SECONDS[one]) for one in (A, C)], third.flights, spec)
    assert (fourth.clock.end_s, fourth.carried, fourth.late) == (1.5, ((B, 1 / math.sqrt(2)),), (C,))


def test_what_is_staler_than_the_bound_is_discarded_and_does_not_count() -> None:
    late = (Flight(client=C, began=1, left_s=0.6, sends=True),)
    third = buffered_round(3, [turn(one, SECONDS[one]) for one in (A, B)], late, BufferSpec(size=2, staleness=1))
    assert (third.clock.end_s, third.discarded, third.carried) == (2.5, (C,), ())
    assert third.flights == ()
    weighed = buffered_round(3, [turn(A, 1.0)], late, BufferSpec(size=2, staleness=2, weight="constant"))
    assert weighed.carried == ((C, 1.0),)


def test_where_too_few_are_left_a_round_ends_with_the_last() -> None:
    ended = buffered_round(1, [turn(A, 1.0), turn(B, 3.0, vanishes=True)], (), BufferSpec(size=2))
    assert ended.clock.end_s == 1.5
    assert [one.fate for one in ended.clock.clients] == [Fate.FINISHED, Fate.DROPPED]
    assert ended.flights == ()
    nobody = buffered_round(2, [], (), BufferSpec(size=2))
    assert (nobody.clock.end_s, nobody.staleness) == (0.0, ())


def test_a_client_that_will_vanish_is_at_work_until_it_does_and_brings_nothing() -> None:
    first = buffered_round(1, [turn(A, 1.0), turn(B, 3.0, vanishes=True)], (), BufferSpec(size=1))
    assert (first.late, first.flights) == ((), (Flight(client=B, began=1, left_s=0.5, sends=False),))
    second = buffered_round(2, [turn(A, 1.0)], first.flights, BufferSpec(size=1))
    assert (second.carried, second.discarded, second.flights) == ((), (), ())


def test_a_turn_that_goes_on_costs_its_whole_energy_in_its_first_round() -> None:
    first = buffered_round(1, [turn(A, 1.0), turn(C, 5.6)], (), BufferSpec(size=1))
    assert first.clock.end_s == 1.0
    assert first.clock.energy_j == 2 * 1.0 + 2 * 5.6


@given(
    st.lists(st.floats(min_value=0.1, max_value=50), min_size=1, max_size=6),
    st.integers(min_value=1, max_value=6),
    st.integers(min_value=0, max_value=3),
)
def test_every_client_ends_once_and_time_never_runs_backwards(seconds: list[float], size: int, staleness: int) -> None:
    spec = BufferSpec(size=size, staleness=staleness)
    flights: tuple[Flight, ...] = ()
    begun, ended = [0] * len(seconds), [0] * len(seconds)
    for number in range(1, 12):
        busy = {one.client for one in flights}
        fresh = [client for client in range(len(seconds)) if client not in busy]
        round = buffered_round(number, [turn(client, seconds[client]) for client in fresh], flights, spec)
        for client in fresh:
            begun[client] += 1
        now = [one.client for one in round.clock.clients if one.fate is Fate.FINISHED]
        for client in (*now, *round.discarded, *(client for client, _ in round.carried)):
            ended[client] += 1
        flights = round.flights
        assert len(round.staleness) >= min(size, 1)
        assert len(now) + len(round.carried) == len(round.staleness)
        assert all(one.left_s >= 0 for one in flights)
        assert round.clock.end_s > 0
        assert {one.client for one in flights} == {c for c in range(len(seconds)) if begun[c] > ended[c]}
        assert max(round.staleness) <= staleness
