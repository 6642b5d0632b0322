"""Server-sent events (WHATWG HTML, section 9.2), as far as the service uses them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from heron_ray.client.experiments import Event


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
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
            yield Event.of({"id": int(fields["id"]), "kind": fields["event"], "data": json.loads(fields["data"])})
            fields = {}
