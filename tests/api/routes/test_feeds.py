from __future__ import annotations

import asyncio

import pytest

from api.domain.states import State
from api.routes.feeds import Feeds
from api.settings import Settings

NEVER_S = 3600.0


def round_finished(round):
    return {"kind": "round_finished", "key": f"round_finished:{round}", "round": round, "rounds": 9999, "metrics": {}}


async def take(events, count):
    """The numbers of the next `count` events."""
    return [(await anext(events)).id for _ in range(count)]


async def rest_of(events):
    return [event.id async for event in events if event is not None]


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def looks(monkeypatch, sqlite_store):
    """The ids that were looked at for news."""
    found = []
    position = sqlite_store.position
    monkeypatch.setattr(sqlite_store, "position", lambda id: found.append(id) or position(id))
    return found


def test_all_watchers_of_an_experiment_share_one_poller(sqlite_store, start_run, looks):
    experiment, _ = start_run(sqlite_store)

    async def watch():
        feeds = Feeds(sqlite_store, Settings(event_poll_s=NEVER_S, keep_alive_s=0.01))
        watchers = [feeds.watch(experiment.id, after=0) for _ in range(20)]
        for events in watchers:
            assert await take(events, 3) == [1, 2, 3]
            # Nothing new: it waits at the feed.
            assert await anext(events) is None
        assert (feeds.watchers, looks) == (20, [experiment.id])
        for events in watchers:
            await events.aclose()
        assert feeds.watchers == 0

    asyncio.run(watch())


def test_a_watcher_that_falls_far_behind_misses_nothing_and_gets_nothing_twice(sqlite_store, start_run):
    experiment, attempt = start_run(sqlite_store)

    async def watch():
        feeds = Feeds(sqlite_store, Settings(event_poll_s=0.001, keep_alive_s=0.01))
        slow, fast = feeds.watch(experiment.id, after=0), feeds.watch(experiment.id, after=0)
        assert await take(slow, 3) == await take(fast, 3) == [1, 2, 3]
        assert await anext(slow) is None
        told = asyncio.create_task(rest_of(fast))
        for start in range(1, 2501, 500):
            news = [round_finished(n) for n in range(start, start + 500)]
            await asyncio.to_thread(sqlite_store.record, attempt.id, attempt.token, events=news)
        sqlite_store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={})
        assert await told == list(range(4, 2505))
        assert await rest_of(slow) == list(range(4, 2505))

    asyncio.run(watch())


def test_the_poller_ends_with_its_last_watcher(sqlite_store, start_run, looks):
    experiment, _ = start_run(sqlite_store)

    async def watch():
        feeds = Feeds(sqlite_store, Settings(event_poll_s=0.001))
        first, second = feeds.watch(experiment.id, after=2), feeds.watch(experiment.id, after=2)
        assert await take(first, 1) == await take(second, 1) == [3]
        waiting = [asyncio.create_task(anext(events)) for events in (first, second)]
        await until(lambda: len(looks) > 3)
        waiting[0].cancel()
        before = len(looks)
        await until(lambda: len(looks) > before + 3)
        waiting[1].cancel()
        await until(lambda: feeds.watchers == 0)
        return [task.get_coro().__name__ for task in asyncio.all_tasks()]

    assert asyncio.run(watch()) == ["watch"]


def test_closing_sends_watchers_away_and_those_that_come_later(sqlite_store, start_run):
    experiment, _ = start_run(sqlite_store)

    async def watch():
        feeds = Feeds(sqlite_store, Settings(event_poll_s=NEVER_S))
        events = feeds.watch(experiment.id, after=0)
        assert await take(events, 3) == [1, 2, 3]
        rest = asyncio.create_task(rest_of(events))
        await asyncio.sleep(0)
        feeds.close()
        assert await rest == []
        assert await rest_of(feeds.watch(experiment.id, after=0)) == [1, 2, 3]

    asyncio.run(watch())
