"""What a client does in its round, in order: the counted FLOPs between its messages, and their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Some work, then a message.

    Attributes:
        kind: upload: to the main server. exchange: scalars to be averaged once all of the cohort's are there.
        flops: Counted FLOPs since the message before.
        up_bytes: Of the message.
        down_bytes: Of the answer, for which the client waits; 0 where there is none and the client goes on.
    """

    kind: Literal["upload", "exchange"]
    flops: int
    up_bytes: int
    down_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """One client's round.

    Attributes:
        down_bytes: Of the broadcast; 0 where nothing is sent.
        beats: Work and messages, in order.
        last_flops: Counted FLOPs after the last message.
        update_bytes: Of the update; 0 where none is sent.
        server_flops: Of the main server, for one upload.
    """

    down_bytes: int
    beats: tuple[Beat, ...]
    last_flops: int
    update_bytes: int
    server_flops: int

    @property
    def flops(self) -> int:
        """All of the client's FLOPs."""
        return sum(beat.flops for beat in self.beats) + self.last_flops

    @property
    def uploads(self) -> int:
        """Messages to the main server."""
        return sum(beat.kind == "upload" for beat in self.beats)


def along(first: Rhythm, second: Rhythm, way: Fraction) -> Rhythm:
    """The rhythm on the straight line through two of the same form: at 0 the first, at 1 the second, and beyond.

    Raises:
        ValueError: The two are not of the same form.
    """
    if [beat.kind for beat in first.beats] != [beat.kind for beat in second.beats]:
        raise ValueError("the two rhythms have different messages")

    def between(one: int, two: int) -> int:
        return round(one + (two - one) * way)

    return Rhythm(
        down_bytes=between(first.down_bytes, second.down_bytes),
        beats=tuple(
            Beat(
                kind=one.kind,
                flops=between(one.flops, two.flops),
                up_bytes=between(one.up_bytes, two.up_bytes),
                down_bytes=between(one.down_bytes, two.down_bytes),
            )
            for one, two in zip(first.beats, second.beats, strict=True)
        ),
        last_flops=between(first.last_flops, second.last_flops),
        update_bytes=between(first.update_bytes, second.update_bytes),
        server_flops=between(first.server_flops, second.server_flops),
    )
