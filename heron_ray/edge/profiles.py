"""Named devices and links. Every figure has a public source or is marked as an assumption; docs/edge.md shows both.

Figures of speed are bounds: a data sheet's or a benchmark's, not what a training framework reaches on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_HUANG = "Huang et al., A Close Examination of Performance and Power Characteristics of 4G LTE Networks, MobiSys 2012"
_ASSUMPTION = "assumption"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a client computes with.

    Attributes:
        name: Its name, for people.
        flops_per_s: FLOP/s.
        memory_bytes: Bytes that training may use.
        joules_per_flop: Joules per FLOP; an idle device takes none.
    """

    name: str
    flops_per_s: float
    memory_bytes: int
    joules_per_flop: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How a client reaches the servers.

    Attributes:
        name: Its name, for people.
        up_bit_s: Bandwidth to the servers, bit/s.
        down_bit_s: Bandwidth from the servers, bit/s.
        latency_s: One way, seconds.
        jitter_s: Mean of a message's exponentially distributed further delay, seconds.
        loss: Share of packets that are lost; they are sent again until they arrive.
        up_joules_per_bit: What a bit sent costs the client, beside `radio_w`.
        down_joules_per_bit: What a bit received costs it.
        radio_w: Watts while it sends or receives.
    """

    name: str
    up_bit_s: float
    down_bit_s: float
    latency_s: float
    jitter_s: float = 0.0
    loss: float = 0.0
    up_joules_per_bit: float = 0.0
    down_joules_per_bit: float = 0.0
    radio_w: float = 0.0


DEVICES: Final[Mapping[str, Device]] = MappingProxyType(
    {
        device.name: device
        for device in (
            Device(name="phone", flops_per_s=45.4e9, memory_bytes=2**30, joules_per_flop=5 / 45.4e9),
            Device(name="single_board_computer", flops_per_s=8e9, memory_bytes=2 * 2**30, joules_per_flop=15 / 8e9),
            Device(name="gateway", flops_per_s=235.8e9, memory_bytes=4 * 2**30, joules_per_flop=10 / 235.8e9),
            Device(name="microcontroller", flops_per_s=42.7e6, memory_bytes=256 * 2**10, joules_per_flop=9.98e-3 / 42.7e6),
            Device(name="sensor", flops_per_s=42.7e6, memory_bytes=64 * 2**10, joules_per_flop=11.1e-3 / 42.7e6),
        )
    }
)

LINKS: Final[Mapping[str, Link]] = MappingProxyType(
    {
        link.name: link
        for link in (
            Link(name="ethernet", up_bit_s=100e6, down_bit_s=100e6, latency_s=1e-3),
            Link(
                name="broadband", up_bit_s=20e6, down_bit_s=40.11e6, latency_s=5e-3, jitter_s=2e-3, loss=0.001,
                up_joules_per_bit=283.17e-9, down_joules_per_bit=137.01e-9, radio_w=0.13286,
            ),
            Link(
                name="5g", up_bit_s=21.08e6, down_bit_s=166.13e6, latency_s=14e-3, jitter_s=5e-3, loss=0.01,
                up_joules_per_bit=438.39e-9, down_joules_per_bit=51.97e-9, radio_w=1.28804,
            ),
            Link(
                name="lte", up_bit_s=6e6, down_bit_s=13e6, latency_s=14.5e-3, jitter_s=10e-3, loss=0.01,
                up_joules_per_bit=438.39e-9, down_joules_per_bit=51.97e-9, radio_w=1.28804,
            ),
            Link(
                name="bluetooth_le", up_bit_s=1e6, down_bit_s=1e6, latency_s=30e-3, jitter_s=15e-3, loss=0.01, radio_w=0.0144,
            ),
        )
    }
)  # fmt: skip

SOURCES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "phone": {
            "flops_per_s": "peak of one core: 2.84 GHz (Snapdragon 865, AnandTech 2019-12-16) x 16 FLOP per cycle "
            "(Cortex-A77: two 128-bit multiply-add pipes)",
            "memory_bytes": f"{_ASSUMPTION}: 1 GiB of the phone's memory for one app",
            "joules_per_flop": f"{_ASSUMPTION}: 5 W under load",
        },
        "single_board_computer": {
            "flops_per_s": "Raspberry Pi 4, High Performance Linpack, about 8 GFLOP/s (W. Feiereisen, 2022, feiereisen.net)",
            "memory_bytes": "Raspberry Pi 4 product brief: sold with 1, 2, 4 or 8 GB; here 2",
            "joules_per_flop": "15 W (the same benchmark) at that speed",
        },
        "gateway": {
            "flops_per_s": "Jetson Nano: 128 CUDA cores x 921 MHz x 2 (NVIDIA's data sheet: 472 GFLOP/s in half precision)",
            "memory_bytes": "Jetson Nano data sheet: 4 GB",
            "joules_per_flop": "Jetson Nano data sheet: 10 W mode, at that speed",
        },
        "microcontroller": {
            "flops_per_s": "nRF52840: 64 MHz x 2 FLOP per 3 cycles (VFMA.F32, Arm Cortex-M4 Technical Reference Manual)",
            "memory_bytes": "nRF52840 product specification: 256 KB RAM; that training may use all of it is an assumption",
            "joules_per_flop": "nRF52840 product specification: 52 uA/MHz from flash; at 3 V (assumption)",
        },
        "sensor": {
            "flops_per_s": "nRF52832: 64 MHz x 2 FLOP per 3 cycles (VFMA.F32, Arm Cortex-M4 Technical Reference Manual)",
            "memory_bytes": "nRF52832 product specification: 64 KB RAM; that training may use all of it is an assumption",
            "joules_per_flop": "nRF52832 product specification: 58 uA/MHz from flash; at 3 V (assumption)",
        },
        "ethernet": {
            "bandwidth": "100BASE-TX, IEEE 802.3u",
            "latency, jitter, loss": f"{_ASSUMPTION}: 1 ms, none, none",
            "energy": f"{_ASSUMPTION}: none",
        },
        "broadband": {
            "bandwidth": f"down 40.11 Mbit/s: mean of fixed lines, Ookla Speedtest Global Index 2017; up: {_ASSUMPTION}",
            "latency, jitter, loss": f"half of 10 ms: fixed lines, Ookla, November 2022; jitter and loss: {_ASSUMPTION}",
            "energy": f"Wi-Fi: 283.17 and 137.01 mW per Mbit/s, 132.86 mW ({_HUANG})",
        },
        "5g": {
            "bandwidth": "medians of 5G in Q3 2021, Ookla (December 2021)",
            "latency, jitter, loss": f"half of 28 ms: mobile networks, Ookla, November 2022; jitter and loss: {_ASSUMPTION}",
            "energy": f"{_ASSUMPTION}: as lte",
        },
        "lte": {
            "bandwidth": f"medians of 13 and 6 Mbit/s ({_HUANG})",
            "latency, jitter, loss": f"half of 29 ms: mobile networks, Ookla, November 2021; jitter and loss: {_ASSUMPTION}",
            "energy": f"438.39 and 51.97 mW per Mbit/s, 1288.04 mW ({_HUANG})",
        },
        "bluetooth_le": {
            "bandwidth": "1 Mbit/s, LE 1M PHY, Bluetooth Core Specification 4.0 and later; a bound",
            "latency, jitter, loss": f"{_ASSUMPTION}: a connection interval of 30 ms, jitter of half of it, 1 %",
            "energy": "nRF52840 product specification: 4.8 mA sending at 0 dBm; at 3 V (assumption)",
        },
    }
)
"""Where each figure comes from, by name and field."""
