from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import time
from dataclasses import dataclass

import httpx
import pytest

from api.domain.states import State
from api.settings import Settings

STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Told:
    id: int
    kind: str
    data: dict


def read_events(response):
    """Events of a stream as they come; comments are passed over."""
    fields = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Told(id=int(fields["id"]), kind=fields["event"], data=json.loads(fields["data"]))
            fields = {}


def round_finished(round):
    return {"kind": "round_finished", "key": f"round_finished:{round}", "round": round, "rounds": 20, "metrics": {"loss": 0.5}}


@pytest.fixture
def client():
    with httpx.Client(trust_env=False, timeout=30) as opened:
        yield opened


@pytest.fixture
def run(serve, sqlite_store, start_run):
    """A running experiment: the URL of its events, its record and its attempt."""
    base_url = serve(sqlite_store)
    experiment, attempt = start_run(sqlite_store)
    return f"{base_url}/v1/experiments/{experiment.id}/events", experiment, attempt


def finish(store, attempt):
    store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={})


def test_a_stream_tells_the_past_then_the_present_and_ends_with_the_experiment(client, run, sqlite_store):
    url, _, attempt = run
    with client.stream("GET", url, headers=STREAM) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = read_events(response)
        past = list(itertools.islice(told, 3))
        assert [event.data["state"] for event in past] == ["QUEUED", "STARTING", "RUNNING"]
        sqlite_store.record(attempt.id, attempt.token, events=[round_finished(1), round_finished(2)])
        live = list(itertools.islice(told, 2))
        assert live == [
            Told(id=4, kind="round_finished", data={"round": 1, "rounds": 20, "metrics": {"loss": 0.5}}),
            Told(id=5, kind="round_finished", data={"round": 2, "rounds": 20, "metrics": {"loss": 0.5}}),
        ]
        finish(sqlite_store, attempt)
        rest = list(told)
    assert [(event.id, event.kind, event.data["state"]) for event in rest] == [(6, "state", "SUCCEEDED")]


@pytest.mark.parametrize(("query", "header"), [("?after=4", {}), ("?after=0", {"Last-Event-ID": "4"})])
def test_a_stream_goes_on_after_the_last_event_that_was_read(client, run, sqlite_store, query, header):
    url, _, attempt = run
    sqlite_store.record(attempt.id, attempt.token, events=[round_finished(n) for n in range(1, 4)])
    finish(sqlite_store, attempt)
    with client.stream("GET", url + query, headers={**STREAM, **header}) as response:
        assert [event.id for event in read_events(response)] == [5, 6, 7]


def test_a_long_past_is_told_whole_and_in_order(client, run, sqlite_store):
    url, _, attempt = run
    sqlite_store.record(attempt.id, attempt.token, events=[round_finished(n) for n in range(1, 1001)])
    finish(sqlite_store, attempt)
    with client.stream("GET", url, headers=STREAM) as response:
        assert [event.id for event in read_events(response)] == list(range(1, 1005))


def test_a_reconnecting_client_is_told_to_stop_once_nothing_is_left(client, run, sqlite_store):
    url, experiment, attempt = run
    finish(sqlite_store, attempt)
    last = sqlite_store.events(experiment.id, after=0, limit=99)[-1].id
    assert client.get(url, headers={**STREAM, "Last-Event-ID": str(last)}).status_code == 204
    fresh = client.get(f"{url}?after={last}", headers=STREAM)
    assert (fresh.status_code, fresh.text) == (200, "")


def test_a_wrong_last_event_id_is_refused(client, run):
    answer = client.get(run[0], headers={**STREAM, "Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_silent_stream_is_kept_alive_by_comments(client, serve, sqlite_store, start_run):
    base_url = serve(sqlite_store, Settings(event_poll_s=0.01, keep_alive_s=0.02))
    experiment, _ = start_run(sqlite_store)
    with client.stream("GET", f"{base_url}/v1/experiments/{experiment.id}/events?after=3", headers=STREAM) as response:
        assert next(response.iter_lines()).startswith(":")


def test_more_open_streams_than_pooled_connections_leave_the_api_answering(serve, sqlite_store, start_run):
    base_url = serve(sqlite_store)
    experiment, attempt = start_run(sqlite_store)
    url = f"{base_url}/v1/experiments/{experiment.id}/events"
    ends, ready = [], threading.Barrier(41, timeout=60)

    def follow():
        with httpx.Client(trust_env=False, timeout=60) as client, client.stream("GET", url, headers=STREAM) as response:
            told = read_events(response)
            list(itertools.islice(told, 3))
            ready.wait()
            ends.append([event.id for event in told])

    threads = [threading.Thread(target=follow) for _ in range(40)]
    for thread in threads:
        thread.start()
    ready.wait()
    assert httpx.get(f"{base_url}/healthz", trust_env=False, timeout=30).status_code == 200
    finish(sqlite_store, attempt)
    for thread in threads:
        thread.join(60)
    assert ends == [[4]] * 40


def test_a_client_that_goes_away_ends_its_stream_in_the_server(client, serve, sqlite_store, start_run):
    looks = []

    class CountingStore(type(sqlite_store)):
        def position(self, id):
            looks.append(id)
            return super().position(id)

    store = CountingStore(sqlite_store._engine)
    base_url = serve(store)
    experiment, _ = start_run(store)
    with client.stream("GET", f"{base_url}/v1/experiments/{experiment.id}/events", headers=STREAM) as response:
        told = read_events(response)
        list(itertools.islice(told, 3))
        deadline = time.monotonic() + 30
        # One look is the request's own, the others are the poller's.
        while len(looks) < 3:
            assert time.monotonic() < deadline
    quiet = threading.Event()
    while time.monotonic() < deadline:
        before = len(looks)
        quiet.wait(0.3)
        if len(looks) == before:
            return
    pytest.fail("the stream still looks for events after its client left")


def test_a_stream_that_starts_beyond_the_last_event_ends_with_the_experiment(client, run, sqlite_store):
    url, _, attempt = run
    with client.stream("GET", f"{url}?after=999", headers=STREAM) as response:
        finish(sqlite_store, attempt)
        assert list(read_events(response)) == []


def test_a_stream_whose_database_breaks_ends_and_the_next_one_is_told(client, run, tmp_path):
    url, *_ = run
    with client.stream("GET", url, headers=STREAM) as response:
        told = read_events(response)
        list(itertools.islice(told, 3))
        connection = sqlite3.connect(tmp_path / "heron.db")
        connection.execute("ALTER TABLE experiment RENAME TO elsewhere")
        connection.close()
        assert list(told) == []
    again = client.get(url, headers={**STREAM, "Last-Event-ID": "3"})
    assert (again.status_code, again.json()["code"]) == (503, "database_error")
