"""Server-sent events (WHATWG HTML, section 9.2), as far as the service uses them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """One event of an experiment: `id` is 1, 2, 3, ... within it."""

    id: int
    kind: str
    data: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"id": self.id, "kind": self.kind, "data": dict(self.data)}


def parse_events(lines: Iterable[str]) -> Iterator[ServiceEvent]:
    """Events from the lines of a stream. One that is cut off in the middle is dropped: it is sent again.

    >>> [event.kind for event in parse_events(["id: 7", "event: started", ": a comment", 'data: {"rounds": 3}', ""])]
    ['started']
    """
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif not line and {"id", "event", "data"} <= fields.keys():
            yield ServiceEvent(id=int(fields["id"]), kind=fields["event"], data=json.loads(fields["data"]))
            fields = {}
