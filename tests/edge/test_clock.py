"""The virtual clock, against rounds worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.edge import LINKS, Beat, Device, Fate, Hardware, Link, Rhythm, make_turn, simulate_round
from heron_ray.edge.turn import Step, Transfer, Turn, Work

# The round worked out below. Every client gets a model of 1,000 bytes, works 1,000,000 FLOPs before each of two uploads of
# 2,500 bytes and 500,000 after them, and sends an update of 1,000 bytes. The main server works 2,000,000 FLOPs per upload at
# 1 GFLOP/s: 2 ms.
RHYTHM = Rhythm(
    down_bytes=1000,
    beats=(Beat(kind="upload", flops=1_000_000, up_bytes=2500, down_bytes=0),) * 2,
    last_flops=500_000,
    update_bytes=1000,
    server_flops=2_000_000,
)
FAST = Hardware(
    device=Device(name="fast", flops_per_s=1e9, memory_bytes=10**6, joules_per_flop=1e-9),
    link=Link(name="fast", up_bit_s=10e6, down_bit_s=20e6, latency_s=0.001),
)
THIN = Hardware(
    device=Device(name="fast", flops_per_s=1e9, memory_bytes=10**6, joules_per_flop=1e-9),
    link=Link(name="thin", up_bit_s=2e6, down_bit_s=4e6, latency_s=0.003, up_joules_per_bit=1e-7, radio_w=0.5),
)
SLOW = Hardware(
    device=Device(name="slow", flops_per_s=2e8, memory_bytes=10**6, joules_per_flop=5e-10),
    link=Link(name="fast", up_bit_s=10e6, down_bit_s=20e6, latency_s=0.001),
)
MICROSECOND = 1e-6


def turns(*hardware: Hardware, rhythm: Rhythm = RHYTHM) -> list[Turn]:
    return [make_turn(number, rhythm, one, server_flops_per_s=1e9, draw=None) for number, one in enumerate(hardware)]


def spans(timeline: object) -> list[tuple[str, int, int]]:
    """What a client was busy with, in microseconds."""
    return [(span.kind, round(span.start_s / MICROSECOND), round(span.end_s / MICROSECOND)) for span in timeline]


def test_a_round_of_three_clients_worked_out_by_hand_to_the_microsecond() -> None:
    clock = simulate_round(turns(FAST, THIN, SLOW))
    fast, thin, slow = clock.clients

    # Fast: 8,000 bit at 20 Mbit/s = 400 us, and 1,000 us on the way: it has the model at 1,400. Work 1,000 us, upload 20,000
    # bit at 10 Mbit/s = 2,000 us. The second work ends at 3,400, while the first upload is in the link until 4,400: the second
    # waits for it, and the update, ready at 3,900, for both: 800 us from 6,400; it arrives 1,000 us after 7,200.
    assert spans(fast.timeline) == [
        ("download", 0, 400),
        ("work", 1400, 2400),
        ("upload", 2400, 4400),
        ("work", 2400, 3400),
        ("upload", 4400, 6400),
        ("work", 3400, 3900),
        ("update", 6400, 7200),
    ]
    assert fast.end_s == pytest.approx(8200 * MICROSECOND, abs=1e-12)

    # Thin: 8,000 bit at 4 Mbit/s = 2,000 us + 3,000: 5,000. Uploads of 20,000 bit at 2 Mbit/s = 10,000 us each, from 6,000 and
    # from 16,000; the update of 4,000 us from 26,000; it arrives 3,000 after 30,000.
    assert spans(thin.timeline) == [
        ("download", 0, 2000),
        ("work", 5000, 6000),
        ("upload", 6000, 16000),
        ("work", 6000, 7000),
        ("upload", 16000, 26000),
        ("work", 7000, 7500),
        ("update", 26000, 30000),
    ]
    assert thin.end_s == pytest.approx(33000 * MICROSECOND, abs=1e-12)

    # Slow: the model at 1,400, as fast has it. Work takes 5,000 us, so each upload has left before the next is ready: work from
    # 1,400, 6,400 and (2,500 us) 11,400, uploads from 6,400 and 11,400, the update from 13,900; it arrives at 15,700.
    assert spans(slow.timeline) == [
        ("download", 0, 400),
        ("work", 1400, 6400),
        ("upload", 6400, 8400),
        ("work", 6400, 11400),
        ("upload", 11400, 13400),
        ("work", 11400, 13900),
        ("update", 13900, 14700),
    ]
    assert slow.end_s == pytest.approx(15700 * MICROSECOND, abs=1e-12)

    # Main server, 2,000 us each: uploads arrive at 5,400 and 7,400 (fast; 7,400 is when it is free again), 9,400 and 14,400
    # (slow), 19,000 and 29,000 (thin): it is never late. The round ends with the last update, thin's.
    assert clock.server_busy_s == pytest.approx(12000 * MICROSECOND)
    assert clock.end_s == clock.closed_s == thin.end_s
    assert [client.fate for client in clock.clients] == [Fate.FINISHED] * 3
    assert clock.messages == 3 * 4

    # Energy. Fast: 2,500,000 FLOPs x 1 nJ. Slow: half of it per FLOP. Thin: as fast, and its radio: 48,000 bit up x 100 nJ, and
    # 0.5 W for 2,000 + 10,000 + 10,000 + 4,000 us.
    assert fast.joules == pytest.approx(2.5e-3)
    assert slow.joules == pytest.approx(1.25e-3)
    assert thin.joules == pytest.approx(2.5e-3 + 4.8e-3 + 0.5 * 26e-3)
    assert clock.energy_j == pytest.approx(2.5e-3 + 1.25e-3 + 2.5e-3 + 4.8e-3 + 13e-3)


def test_where_the_main_server_answers_clients_wait_for_it_and_it_serves_them_as_they_arrive() -> None:
    # Two equal clients send at the same moment; the server takes the first in canonical order; the other waits for 2 ms.
    coupled = Rhythm(
        down_bytes=0,
        beats=(Beat(kind="upload", flops=1_000_000, up_bytes=1250, down_bytes=2500),),
        last_flops=1_000_000,
        update_bytes=0,
        server_flops=2_000_000,
    )
    first, second = simulate_round(turns(FAST, FAST, rhythm=coupled)).clients
    # Work until 1,000; up 1,000 + 1,000: there at 3,000. Served until 5,000 and 7,000. Down 1,000 + 1,000, then 1,000 of work.
    assert spans(first.timeline) == [("work", 0, 1000), ("upload", 1000, 2000), ("answer", 5000, 6000), ("work", 7000, 8000)]
    assert spans(second.timeline) == [("work", 0, 1000), ("upload", 1000, 2000), ("answer", 7000, 8000), ("work", 9000, 10000)]


def test_an_exchange_waits_for_the_slowest_of_the_cohort() -> None:
    exchange = Rhythm(
        down_bytes=0,
        beats=(Beat(kind="exchange", flops=1_000_000, up_bytes=1250, down_bytes=1250),),
        last_flops=0,
        update_bytes=0,
        server_flops=0,
    )
    fast, slow = simulate_round(turns(FAST, SLOW, rhythm=exchange)).clients
    # Slow works until 5,000, its scalars are there at 7,000; the mean takes 500 us down and 1,000 on the way.
    assert fast.end_s == slow.end_s == pytest.approx(8500 * MICROSECOND)


def test_what_comes_before_the_deadline_counts_and_nothing_after_it() -> None:
    clock = simulate_round(turns(FAST, THIN, SLOW), deadline_s=0.01575)
    fast, thin, slow = clock.clients
    assert [client.fate for client in clock.clients] == [Fate.FINISHED, Fate.LATE, Fate.FINISHED]  # slow arrives at 15,700
    assert (fast.uploads, thin.uploads, slow.uploads) == (2, 0, 2)  # thin's first upload would arrive at 19,000
    assert clock.closed_s == pytest.approx(0.01575)
    assert clock.end_s == pytest.approx(0.0164)  # slow's second upload came at 14,400 and is served until 16,400
    # Thin spent 2.5 mJ of work, and of its first upload the 9,750 of 10,000 us until the deadline.
    assert thin.joules == pytest.approx(2.5e-3 + 0.5 * 2e-3 + (2e-3 + 0.5 * 10e-3) * 0.975)


def test_with_oversampling_the_round_closes_when_enough_have_finished() -> None:
    clock = simulate_round(turns(FAST, THIN, SLOW), needed=2)
    assert [client.fate for client in clock.clients] == [Fate.FINISHED, Fate.SURPLUS, Fate.FINISHED]
    assert clock.closed_s == pytest.approx(15700 * MICROSECOND)


def test_a_client_that_vanishes_leaves_its_uploads_so_far() -> None:
    first, second = turns(THIN, FAST)
    gone = Turn(
        client=first.client, download=first.download, steps=first.steps, last=first.last, update=first.update,
        server_s=first.server_s, drops_after=1,
    )  # fmt: skip
    clock = simulate_round([gone, second])
    thin, fast = clock.clients
    assert (thin.fate, thin.uploads, fast.fate, fast.uploads) == (Fate.DROPPED, 1, Fate.FINISHED, 2)
    assert spans(thin.timeline) == [("download", 0, 2000), ("work", 5000, 6000), ("upload", 6000, 16000)]
    assert clock.closed_s == pytest.approx(19000 * MICROSECOND)  # when its upload has arrived


def test_a_round_of_nobody_takes_no_time() -> None:
    clock = simulate_round([])
    assert (clock.end_s, clock.energy_j, clock.messages) == (0, 0, 0)


seconds = st.floats(0, 5, allow_subnormal=False)
transfers = st.builds(Transfer, busy_s=seconds, delay_s=seconds, joules=seconds)
works = st.builds(Work, seconds=seconds, joules=seconds)


@st.composite
def rounds(draw: st.DrawFn) -> list[Turn]:
    coupled, uploads = draw(st.booleans()), draw(st.integers(0, 3))
    answer = transfers if coupled else st.none()
    steps = st.lists(
        st.builds(Step, kind=st.just("upload"), work=works, up=transfers, down=answer), min_size=uploads, max_size=uploads
    )
    one = st.builds(
        Turn,
        client=st.integers(0, 9),
        download=transfers,
        steps=steps.map(tuple),
        last=works,
        update=transfers,
        server_s=seconds,
    )
    return draw(st.lists(one, min_size=1, max_size=5))


@given(turns=rounds())
@settings(max_examples=100, deadline=None)
def test_a_round_takes_as_long_as_its_slowest_client_alone_and_no_longer_than_one_after_another(turns: list[Turn]) -> None:
    together = simulate_round(turns)
    alone = [simulate_round([turn]) for turn in turns]
    slack = 1e-9
    assert together.end_s >= max(one.end_s for one in alone) - slack
    assert together.end_s <= sum(one.end_s for one in alone) + slack
    assert together.energy_j == pytest.approx(sum(one.energy_j for one in alone))
    assert together.messages == sum(one.messages for one in alone)


@given(turns=rounds(), share=st.floats(0.01, 1))
@settings(max_examples=100, deadline=None)
def test_a_deadline_only_takes_away(turns: list[Turn], share: float) -> None:
    whole = simulate_round(turns)
    cut = simulate_round(turns, deadline_s=max(whole.closed_s * share, 1e-6))
    for before, after in zip(whole.clients, cut.clients, strict=True):
        assert after.uploads <= before.uploads
        assert after.joules <= before.joules * (1 + 1e-12)
    assert cut.closed_s <= whole.closed_s or cut.closed_s <= 1e-6
    assert cut.count(Fate.FINISHED) + cut.count(Fate.LATE) == len(turns)


def test_every_named_link_has_a_bandwidth_both_ways() -> None:
    assert all(link.up_bit_s > 0 and link.down_bit_s > 0 for link in LINKS.values())
