"""One client's round in seconds and joules: its rhythm on its device and link, with jitter and losses drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from heron_ray.edge.population import Hardware
from heron_ray.edge.profiles import Link
from heron_ray.edge.rhythm import Rhythm

PACKET_BYTES: Final = 1500
"""Payload of a packet, at most: an Ethernet frame's. Losses are counted in packets; headers are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A message on its way.

    Attributes:
        busy_s: For how long it occupies the link.
        delay_s: From then until it has arrived.
        joules: Of the client's radio.
    """

    busy_s: float
    delay_s: float
    joules: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something computed by a client."""

    seconds: float
    joules: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Some work, then a message. `down` is its answer, for which the client waits; None where it goes on at once."""

    kind: Literal["upload", "exchange"]
    work: Work
    up: Transfer
    down: Transfer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One client's round.

    Attributes:
        client: Its number.
        download: The broadcast; None where nothing is sent.
        steps: Work and messages, in order.
        last: The work after the last message.
        update: None where none is sent.
        server_s: Seconds of the main server for one upload.
        drops_after: After so many of its uploads the client vanishes; None: it does not.
    """

    client: int
    download: Transfer | None
    steps: tuple[Step, ...]
    last: Work
    update: Transfer | None
    server_s: float = 0.0
    drops_after: int | None = None


def make_turn(
    client: int,
    rhythm: Rhythm,
    hardware: Hardware,
    *,
    server_flops_per_s: float,
    draw: np.random.Generator | None,
    drops_after: int | None = None,
) -> Turn:
    """One client's round on its hardware.

    Args:
        client: Its number.
        rhythm: What it does.
        hardware: On what.
        server_flops_per_s: FLOP/s of the main server.
        draw: For jitter and losses, which are drawn message after message; None for a link that has neither.
        drops_after: After how many uploads it vanishes, if it does.
    """
    link = hardware.link

    def work(flops: int) -> Work:
        return Work(seconds=flops / hardware.device.flops_per_s, joules=flops * hardware.device.joules_per_flop)

    def message(way: Literal["up", "down"], size_bytes: int) -> Transfer | None:
        return transfer(link, way, size_bytes, draw) if size_bytes else None

    download = message("down", rhythm.down_bytes)
    steps = tuple(
        Step(
            kind=beat.kind,
            work=work(beat.flops),
            up=transfer(link, "up", beat.up_bytes, draw),
            down=message("down", beat.down_bytes),
        )
        for beat in rhythm.beats
    )
    return Turn(
        client=client,
        download=download,
        steps=steps,
        last=work(rhythm.last_flops),
        update=message("up", rhythm.update_bytes),
        server_s=rhythm.server_flops / server_flops_per_s,
        drops_after=drops_after,
    )


def transfer(link: Link, way: Literal["up", "down"], size_bytes: int, draw: np.random.Generator | None) -> Transfer:
    """A message over a link.

    It is cut into packets. All are sent, then those that were lost again, and so on: each time costs a round trip. So

        busy  = 8 (size + repeated packets) / bandwidth
        delay = latency + 2 latency (times - 1) + jitter,        jitter ~ Exp(mean jitter_s)

    Args:
        link: Over which link.
        way: In which direction.
        size_bytes: Payload.
        draw: For losses and jitter; None for neither.
    """
    times, repeated = 1, 0
    if draw is not None and link.loss > 0 and size_bytes:
        lost = int(draw.binomial(-(-size_bytes // PACKET_BYTES), link.loss))
        while lost:
            times, repeated = times + 1, repeated + lost
            lost = int(draw.binomial(lost, link.loss))
    jitter = float(draw.exponential(link.jitter_s)) if draw is not None and link.jitter_s > 0 else 0.0
    bits = 8 * (size_bytes + repeated * min(size_bytes, PACKET_BYTES))
    bandwidth, per_bit = (link.up_bit_s, link.up_joules_per_bit) if way == "up" else (link.down_bit_s, link.down_joules_per_bit)
    busy = bits / bandwidth
    return Transfer(
        busy_s=busy,
        delay_s=link.latency_s * (2 * times - 1) + jitter,
        joules=bits * per_bit + busy * link.radio_w,
    )
