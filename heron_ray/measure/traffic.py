"""Bytes and messages, by kind and direction.

Kinds: smashed (and smashed_above, smashed_below, of perturbed parameters), labels, logits, gradients, front, auxiliary, back,
statistics (running ones, of batch normalisation), scalars, seeds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

Direction: TypeAlias = Literal["up", "down"]


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

    def add_numbers(self, direction: Direction, sizes: Mapping[str, int]) -> None:
        """One message of float32 numbers: how many of each kind. Nothing is sent where there are none."""
        if any(sizes.values()):
            self.add(direction, **{kind: size * 4 for kind, size in sizes.items()})

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
