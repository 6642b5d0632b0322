"""An experiment's events as server-sent events.

Each look at the database borrows a connection and gives it back; none is held while waiting, however many streams
are open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.domain.records import EventRecord
from api.domain.states import TERMINAL
from api.settings import Settings
from api.store import Store

BATCH = 200


async def event_stream(store: Store, id: str, *, after: int, settings: Settings) -> AsyncIterator[bytes]:
    """Every event above `after`, past ones at once and new ones as they come; ends when the experiment has ended.

    Yields:
        Encoded events: `id` is the event's number, `event` its kind, `data` its fields as JSON.
    """
    silent_s = 0.0
    while True:
        batch = await run_in_threadpool(store.events, id, after=after, limit=BATCH)
        if not batch and await run_in_threadpool(is_over, store, id, after=after):
            return
        for event in batch:
            yield _encode(event)
            after = event.id
        silent_s = 0.0 if batch else silent_s + settings.event_poll_s
        if silent_s >= settings.keep_alive_s:
            yield KEEPALIVE_COMMENT
            silent_s = 0.0
        if len(batch) < BATCH:
            await asyncio.sleep(settings.event_poll_s)


def is_over(store: Store, id: str, *, after: int) -> bool:
    """Whether the experiment has ended and nothing follows `after`.

    The state is read before the events: an end and its event are one transaction, so none can slip in between.
    """
    return store.get(id).state in TERMINAL and not store.events(id, after=after, limit=1)


def _encode(event: EventRecord) -> bytes:
    return format_sse_event(data_str=json.dumps(event.data, separators=(",", ":")), event=event.kind, id=str(event.id))
