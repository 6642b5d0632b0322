"""An experiment's events as server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.domain.records import EventRecord
from api.routes.feeds import Feeds
from heron_ray.errors import ServiceError

LOG = logging.getLogger(__name__)


async def event_stream(feeds: Feeds, id: str, *, after: int) -> AsyncIterator[bytes]:
    """Every event above `after`, past ones at once and new ones as they come; ends when the experiment has ended.

    Yields:
        Encoded events: `id` is the event's number, `event` its kind, `data` its fields as JSON.
    """
    try:
        async with aclosing(feeds.watch(id, after=after)) as events:
            async for event in events:
                yield KEEPALIVE_COMMENT if event is None else _encode(event)
    except ServiceError as error:
        # The answer began long ago, so it can only end; the client comes back with Last-Event-ID and is told why.
        LOG.warning("a stream of experiment %s ended early: %s", id, error)


def _encode(event: EventRecord) -> bytes:
    return format_sse_event(data_str=json.dumps(event.data, separators=(",", ":")), event=event.kind, id=str(event.id))
