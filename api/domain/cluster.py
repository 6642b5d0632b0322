"""What the service remembers of its dispatchers and the Ray clusters they work on, as frozen records."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from api.domain.admission import Resources

SILENT_AFTER = timedelta(seconds=30)
"""A dispatcher that wrote nothing for so long, six looks, is gone or does not reach Ray."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of a Ray cluster, or one that left it; `has` is what it offers, in use or not."""

    id: str
    name: str
    address: str
    is_alive: bool
    is_head: bool
    has: Resources

    def as_json(self) -> dict[str, Any]:
        """For the column `dispatcher.nodes`."""
        return asdict(self)

    @classmethod
    def of(cls, column: dict[str, Any]) -> Node:
        """From the column `dispatcher.nodes`."""
        return cls(**{**column, "has": Resources.of(column["has"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An experiment that holds a slot; `node` is None until its driver has begun."""

    id: str
    name: str
    node: str | None
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherRecord:
    """A dispatcher as it last described itself.

    Attributes:
        owner: Names it in leases; the same over restarts.
        slots: Experiments that it lets run at the same time.
        nodes: Of its Ray cluster.
        seen_at: When it said so.
        running: What it runs now.
        is_silent: Whether that is too long ago to be believed.
    """

    owner: str
    slots: int
    nodes: tuple[Node, ...]
    seen_at: datetime
    running: tuple[Running, ...]
    is_silent: bool
