"""Which hardware clients have, and what a message takes over a link."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.edge import DEVICES, LINKS, Beat, Hardware, Link, Population, Rhythm
from heron_ray.edge.availability import Diurnal, Patterns
from heron_ray.edge.csv_files import OPTIONAL, REQUIRED, parse_devices, parse_patterns
from heron_ray.edge.population import mixture
from heron_ray.edge.profiles import SOURCES
from heron_ray.edge.rhythm import along
from heron_ray.edge.turn import PACKET_BYTES, transfer
from heron_ray.errors import DataError
from heron_ray.seeds import generator
from heron_ray.spec.edge import DeviceShare, DiurnalAvailability, LinkShare, MixturePopulation

PHONES = Hardware(device=DEVICES["phone"], link=LINKS["lte"], share=3)
SENSORS = Hardware(device=DEVICES["sensor"], link=LINKS["bluetooth_le"], share=1)
HEADER = ",".join(REQUIRED)


def test_the_spec_and_the_profiles_have_the_same_names_and_every_figure_has_a_source() -> None:
    assert set(DEVICES) == set(DeviceShare.model_fields["profile"].annotation.__args__)
    assert set(LINKS) == set(LinkShare.model_fields["profile"].annotation.__args__)
    assert set(SOURCES) == {*DEVICES, *LINKS}
    for name in DEVICES:
        assert set(SOURCES[name]) == {"flops_per_s", "memory_bytes", "joules_per_flop"}


def test_one_client_of_a_million_is_drawn_without_the_others_and_as_with_them() -> None:
    population = Population([PHONES, SENSORS], count=1_000_000, seed=7)
    some = [0, 4095, 4096, 123_456, 999_999]
    drawn = [population[client] for client in some]
    assert "numbers" not in vars(population)
    assert [population.kinds[population.numbers[client]] for client in some] == drawn
    share = population.devices()["phone"] / 1_000_000
    assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 1_000_000) ** 0.5
    assert Population([PHONES, SENSORS], count=10, seed=8).numbers.tolist() != population.numbers[:10].tolist()
    with pytest.raises(IndexError):
        population[1_000_000]


def test_clients_are_excluded_by_their_memory_alone() -> None:
    population = Population([PHONES, SENSORS], count=1000, seed=0)
    sensors = population.devices()["sensor"]
    assert population.able(64 * 1024) is None
    assert population.excluded(64 * 1024) == {}
    assert population.excluded(64 * 1024 + 1) == {"sensor": sensors}
    assert population.able(64 * 1024 + 1).sum() == 1000 - sensors
    assert population.excluded(2**31) == population.devices()


def test_a_mixture_pairs_every_device_with_every_link_and_takes_the_figures_it_is_given() -> None:
    spec = MixturePopulation(
        kind="mixture",
        devices=(DeviceShare(profile="phone", share=2.0), DeviceShare(profile="sensor", memory_bytes=1000)),
        links=(LinkShare(profile="5g", share=3.0, loss=0.5), LinkShare(profile="ethernet")),
    )
    kinds = mixture(spec)
    assert [(kind.device.name, kind.link.name, kind.share) for kind in kinds] == [
        ("phone", "5g", 6), ("phone", "ethernet", 2), ("sensor", "5g", 3), ("sensor", "ethernet", 1),
    ]  # fmt: skip
    assert kinds[2].device.memory_bytes == 1000
    assert kinds[2].device.flops_per_s == DEVICES["sensor"].flops_per_s
    assert (kinds[0].link.loss, kinds[0].link.up_bit_s) == (0.5, LINKS["5g"].up_bit_s)


def test_a_csv_file_lists_devices_with_their_links() -> None:
    text = f"name,{HEADER},loss,share\nboard,1e9,1000000,1e-9,1e6,2e6,0.01,0.1,3\n\n,2e9,2000,0,1,1,0,0,1\n"
    board, other = parse_devices(text, "fleet.csv")
    assert (board.device.name, board.device.memory_bytes, board.link.down_bit_s, board.link.loss) == ("board", 10**6, 2e6, 0.1)
    assert (board.share, board.link.jitter_s, other.device.name) == (3, 0, "csv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no device"),
        (HEADER, "no device"),
        ("flops_per_s,memory_bytes\n1,1", "line 1: no column joules_per_flop"),
        (f"{HEADER},speed\n", "line 1: unknown column 'speed'"),
        (f"{HEADER},loss,loss\n", "line 1: a column is there twice"),
        (f"{HEADER}\n1,1,1,1,1,1\n1,1,1,1,1\n", "line 3: 5 values for 6 columns"),
        (f"{HEADER}\n1,1,1,1,1,1\n\n1,much,1,1,1,1\n", "line 4: memory_bytes is 'much', not a number"),
        (f"{HEADER}\n0,1,1,1,1,1\n", "line 2: flops_per_s is 0, but must be positive"),
        (f"{HEADER}\n1,1,1,1,1,-1\n", "line 2: latency_s is -1, but must be at least 0"),
        (f"{HEADER}\n1,1,1,1,1,nan\n", "line 2: latency_s is nan"),
        (f"{HEADER},loss\n1,1,1,1,1,1,0.95\n", "line 2: loss is 0.95, but may be 0.9 at most"),
        (f"{HEADER}\n1,0.5,1,1,1,1\n", "line 2: memory_bytes is 0.5, less than one byte"),
        (f'{HEADER}\n1,1,1,1,1,"1\n', "line 2: "),
    ],
)
def test_a_malformed_line_is_named_by_its_number(text: str, told: str) -> None:
    with pytest.raises(DataError) as raised:
        parse_devices(text, "fleet.csv")
    assert f"fleet.csv {told}" in raised.value.message.replace(" lists", "") or told in raised.value.message


@pytest.mark.parametrize(
    ("text", "told"), [("", "no pattern"), ("0101\n012\n", "line 2"), ("01\n\n000\n", "line 3"), ("ja\n", "line 1")]
)
def test_a_malformed_pattern_is_named_by_its_line(text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse_patterns(text, "days.csv")


def test_columns_have_no_name_twice() -> None:
    assert not {*REQUIRED} & {*OPTIONAL}


@given(share=st.floats(0.05, 1), day=st.integers(1, 50), seed=st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_a_client_is_there_for_its_share_of_every_day_and_each_day_alike(share: float, day: int, seed: int) -> None:
    pattern = Diurnal(DiurnalAvailability(kind="diurnal", rounds_per_day=day, share=share), 50, seed)
    present = np.stack([pattern.in_round(round) for round in range(1, 2 * day + 1)])
    assert np.array_equal(present[:day], present[day:])
    rounds = present[:day].sum(axis=0)
    assert (abs(rounds - share * day) <= 1).all()


def test_patterns_repeat_and_all_of_them_are_drawn() -> None:
    days = Patterns(["100", "011"], 1000, 3)
    one, two, three, four = (days.in_round(round) for round in range(1, 5))
    assert 400 < one.sum() < 600
    assert np.array_equal(one, ~two)
    assert np.array_equal(two, three)
    assert np.array_equal(one, four)


def test_a_message_over_a_link_without_fault_takes_its_bits_and_the_latency() -> None:
    link = Link(name="", up_bit_s=1e6, down_bit_s=2e6, latency_s=0.02, up_joules_per_bit=1e-6, radio_w=2)
    up, down = (transfer(link, way, 1000, None) for way in ("up", "down"))
    assert (up.busy_s, up.delay_s) == (0.008, 0.02)
    assert up.joules == pytest.approx(0.008 + 2 * 0.008)
    assert (down.busy_s, down.delay_s) == (0.004, 0.02)


def test_lost_packets_are_sent_again_at_a_round_trip_each_time() -> None:
    link = Link(name="", up_bit_s=8e6, down_bit_s=1, latency_s=1.0, loss=0.3)
    sent = [transfer(link, "up", 100 * PACKET_BYTES, generator(seed)) for seed in range(400)]
    packets = np.array([one.busy_s * 1e6 / PACKET_BYTES for one in sent])
    # n packets are sent n / (1 - loss) times on average, with variance n loss / (1 - loss)^2.
    deviation = (100 * 0.3 / 0.7**2 / 400) ** 0.5
    assert abs(packets.mean() - 100 / 0.7) < 4 * deviation
    assert {round(one.delay_s) % 2 for one in sent} == {1}
    assert min(one.delay_s for one in sent) >= 3  # of 100 packets some are lost, always


def test_jitter_has_the_mean_it_is_given() -> None:
    link = Link(name="", up_bit_s=8, down_bit_s=8, latency_s=0.0, jitter_s=0.5)
    draw = generator(0)
    delays = [transfer(link, "up", 1, draw).delay_s for _ in range(2000)]
    assert np.mean(delays) == pytest.approx(0.5, rel=0.1)


def test_rhythms_of_other_forms_have_no_line_through_them() -> None:
    def rhythm(uploads: int, scale: int) -> Rhythm:
        beat = Beat(kind="upload", flops=10 * scale, up_bytes=4 * scale, down_bytes=0)
        return Rhythm(down_bytes=8, beats=(beat,) * uploads, last_flops=scale, update_bytes=8, server_flops=20 * scale)

    assert along(rhythm(2, 2), rhythm(2, 4), Fraction(5, 2)) == rhythm(2, 7)
    with pytest.raises(ValueError, match="different messages"):
        along(rhythm(1, 1), rhythm(2, 1), Fraction(1))
