"""`Feeds`: one poller per experiment that somebody watches, however many watch it.

A watcher reads what happened before it came from the database, page by page, and what happens from then on from its
experiment's feed. The database is only looked at in the few worker threads of `Feeds`, each look borrows a connection
and gives it back, and nothing is held while waiting: watchers can exhaust neither the connections nor the threads that
answer other requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from api.domain.records import EventRecord
from api.domain.states import TERMINAL
from api.settings import Settings
from api.store import Store
from heron_ray.errors import ServiceError

LOG = logging.getLogger(__name__)

BATCH = 200
# A watcher that falls further behind than this reads from the database again.
KEPT = 1000
THREADS = 4

Answer = TypeVar("Answer")


class Feeds:
    """The feeds of one application; used from its event loop only."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Nothing is polled before somebody watches."""
        self._store = store
        self._settings = settings
        self._threads = CapacityLimiter(THREADS)
        self._feeds: dict[str, _Feed] = {}
        self._is_closing = False
        self.watchers = 0

    def close(self) -> None:
        """Send every watcher away, now and from now on, so that none holds up the end of the process."""
        self._is_closing = True
        for feed in self._feeds.values():
            feed.end()

    async def watch(self, id: str, *, after: int) -> AsyncGenerator[EventRecord | None, None]:
        """Every event above `after`, past ones at once and new ones as they come, until the experiment has ended.

        Ends early when the feeds are closed.

        Yields:
            The events in order; None where nothing happened for `keep_alive_s`.

        Raises:
            ServiceError: They cannot be read.
        """
        self.watchers += 1
        try:
            full = True
            while full:
                batch = await self._events(id, after)
                for event in batch:
                    yield event
                    after = event.id
                full = len(batch) == BATCH
            with self._join(id, after) as feed:
                async with aclosing(self._follow(id, feed, after)) as told:
                    async for news in told:
                        yield news
        finally:
            self.watchers -= 1

    async def wait(self, id: str, *, after: int, wait_s: float) -> None:
        """Until there is an event above `after`, the experiment has ended, or the time is over.

        Raises:
            ServiceError: Its events cannot be read.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s), aclosing(self.watch(id, after=after)) as events:
                async for event in events:
                    if event is not None:
                        return

    async def _follow(self, id: str, feed: _Feed, after: int) -> AsyncGenerator[EventRecord | None, None]:
        while True:
            changed = feed.changed
            events = feed.after(after)
            if events is None:
                events = await self._events(id, after)
            for event in events:
                yield event
                after = event.id
            if events:
                continue
            if feed.is_over:
                return
            try:
                async with asyncio.timeout(self._settings.keep_alive_s):
                    await changed.wait()
            except TimeoutError:
                yield None

    @contextmanager
    def _join(self, id: str, after: int) -> Iterator[_Feed]:
        """The experiment's feed. The first watcher starts its poller, the last one ends it."""
        feed = self._feeds.get(id)
        if feed is None or feed.is_over:
            feed = self._feeds[id] = _Feed(after)
            feed.is_over = self._is_closing
            feed.poller = asyncio.create_task(self._poll(id, feed))
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1
            if feed.watchers == 0:
                if feed.poller is not None:
                    feed.poller.cancel()
                if self._feeds.get(id) is feed:
                    del self._feeds[id]

    async def _poll(self, id: str, feed: _Feed) -> None:
        try:
            while not feed.is_over:
                # The state is read before the events: an end and its event are one transaction, so none can be missed.
                state, newest = await self._ask(lambda: self._store.position(id))
                feed.rewind(newest)
                if newest > feed.newest:
                    feed.extend(await self._events(id, feed.newest))
                elif state in TERMINAL:
                    feed.end()
                else:
                    await asyncio.sleep(self._settings.event_poll_s)
        except ServiceError as error:
            # The streams end; their clients come back with Last-Event-ID and are told what is wrong.
            LOG.warning("the watchers of experiment %s are sent away: %s", id, error)
        finally:
            feed.end()

    async def _events(self, id: str, after: int) -> list[EventRecord]:
        return await self._ask(lambda: self._store.events(id, after=after, limit=BATCH))

    async def _ask(self, question: Callable[[], Answer]) -> Answer:
        return await anyio.to_thread.run_sync(question, limiter=self._threads)


class _Feed:
    """The newest events of one experiment, and whether more will come."""

    def __init__(self, newest: int) -> None:
        """Know nothing up to and with the event `newest`."""
        self.newest = newest
        self.is_over = False
        self.watchers = 0
        self.poller: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        self._kept: deque[EventRecord] = deque(maxlen=KEPT)

    def after(self, number: int) -> list[EventRecord] | None:
        """The events above `number`; None where some of them are not kept here any more."""
        first = self.newest - len(self._kept) + 1
        if number < first - 1:
            return None
        return [self._kept[index] for index in range(number + 1 - first, len(self._kept))]

    def extend(self, events: list[EventRecord]) -> None:
        """New events, in order."""
        self._kept.extend(events)
        if events:
            self.newest = events[-1].id
            self._wake()

    def rewind(self, newest: int) -> None:
        """Start where the experiment really is, if the first watcher claimed to have read events that do not exist yet."""
        if not self._kept:
            self.newest = min(self.newest, newest)

    def end(self) -> None:
        """Nothing more will come."""
        self.is_over = True
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()
