"""`KeyRing`: which API keys are valid, without a look into the database for every request."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

import anyio.to_thread

from api.domain.keys import KeyRecord, hash_of
from api.store import Store
from heron_ray.errors import ServiceError

LOG = logging.getLogger(__name__)

# How exact the time of a key's last use is.
NOTE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class _Known:
    record: KeyRecord
    until_s: float


class KeyRing:
    """Remembers valid keys for `memory_s`, by their hashes; used from one event loop only."""

    def __init__(self, store: Store, *, memory_s: float) -> None:
        """Nothing is known before somebody asks."""
        self._store = store
        self._memory_s = memory_s
        self._known: dict[str, _Known] = {}
        self._noted_s: dict[str, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, key: str) -> KeyRecord | None:
        """The key that is presented; None where it is not valid. Raises DatabaseError."""
        digest = hash_of(key)
        known = self._known.get(digest)
        if known is None or known.until_s <= time.monotonic():
            # One that is not valid is not remembered: it may be made in the next moment, and there is no end of them.
            self._known.pop(digest, None)
            record = await anyio.to_thread.run_sync(self._store.keys.find, key)
            if record is None:
                return None
            known = self._known[digest] = _Known(record, time.monotonic() + self._memory_s)
        self._note_use(known.record.id)
        return known.record

    async def close(self) -> None:
        """Wait until every use is written down."""
        await asyncio.gather(*self._notes)

    def _note_use(self, id: str) -> None:
        """Have the use written down, now and then, by a task for which no request waits."""
        now_s = time.monotonic()
        if now_s - self._noted_s.get(id, float("-inf")) >= NOTE_EVERY_S:
            self._noted_s[id] = now_s
            task = asyncio.create_task(self._write_use(id))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _write_use(self, id: str) -> None:
        try:
            await anyio.to_thread.run_sync(self._store.keys.used, id)
        except ServiceError as error:
            LOG.warning("the last use of API key %s was not noted: %s", id, error)
