"""Bytes and messages, by kind and direction. Kinds: smashed, labels, gradients, front, auxiliary, back, scalars, seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

Direction: TypeAlias = Literal["up", "down"]


class Array(Protocol):
    """A torch tensor or a numpy array."""

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""


class TrafficLedger:
    """What clients sent up and were sent down: the payload of tensors, without any transport's framing.

    Example:
        >>> ledger = TrafficLedger()
        >>> ledger.add("up", smashed=2048, labels=256)
        >>> ledger.bytes_up, ledger.messages
        (2304, 1)
    """

    def __init__(self) -> None:
        """Start empty."""
        self.up: Counter[str] = Counter()
        self.down: Counter[str] = Counter()
        self.messages = 0

    def add(self, direction: Direction, **payload: int) -> None:
        """Count one message; `payload` maps kinds to bytes."""
        (self.up if direction == "up" else self.down).update(payload)
        self.messages += 1

    def add_upload(self, z: Array, y: Array) -> None:
        """Smashed data and labels, to the main server."""
        self.add("up", smashed=z.nbytes, labels=y.nbytes)

    def add_gradient(self, dz: Array) -> None:
        """dL/dz, from the main server."""
        self.add("down", gradients=dz.nbytes)

    def add_model(self, direction: Direction, part_sizes: Mapping[str, int]) -> None:
        """A client's parts, from or to the federation server: float32 numbers, counted per part."""
        self.add(direction, **{part: size * 4 for part, size in part_sizes.items()})

    def merge(self, other: TrafficLedger) -> None:
        """Add all that `other` counted."""
        self.up.update(other.up)
        self.down.update(other.down)
        self.messages += other.messages

    @property
    def bytes_up(self) -> int:
        """All bytes from clients."""
        return sum(self.up.values())

    @property
    def bytes_down(self) -> int:
        """All bytes to clients."""
        return sum(self.down.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"up": dict(sorted(self.up.items())), "down": dict(sorted(self.down.items())), "messages": self.messages}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> TrafficLedger:
        """The ledger that `to_dict` described."""
        ledger = cls()
        ledger.up.update(value["up"])
        ledger.down.update(value["down"])
        ledger.messages = value["messages"]
        return ledger
