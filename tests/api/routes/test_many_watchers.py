"""The API as a process of its own, followed by as many as a popular experiment may have."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from api.domain.states import State

WATCHERS = 200
ROUNDS = 60


@pytest.fixture
def api_process(store, database_url, tmp_path):
    """The process and its port."""
    command = [sys.executable, "-m", "api.supervisor.api_process", "--log-format=json"]
    with socket.create_server(("127.0.0.1", 0), backlog=2 * WATCHERS) as listener, (tmp_path / "api.log").open("wb") as log:
        port, fd = listener.getsockname()[1], listener.fileno()
        environment = {**os.environ, "HERON_DATABASE": database_url}
        with subprocess.Popen([*command, f"--fd={fd}"], pass_fds=[fd], env=environment, stderr=log) as process:
            yield process, port
            process.kill()


def gauge(port, name):
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60).raise_for_status().text
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


def until(condition):
    """Look again and again; fails when time runs out."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def round_finished(round):
    return {"kind": "round_finished", "key": f"round_finished:{round}", "round": round, "rounds": ROUNDS, "metrics": {}}


async def follow(port, id, ready, numbers):
    """Append the number of every event that comes to `numbers`, until the stream ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /v1/experiments/{id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode())
    while line := await reader.readline():
        if line.startswith(b"id: "):
            numbers.append(int(line[4:]))
            if len(numbers) == 3:
                ready.release()
        elif line == b"0\r\n":
            break
    writer.close()


async def follow_many(port, id, act):
    """Start the watchers; when each has read the three events that are there, call `act` in a thread; what each read."""
    ready, told = asyncio.Semaphore(0), [[] for _ in range(WATCHERS)]
    watchers = [asyncio.create_task(follow(port, id, ready, numbers)) for numbers in told]
    for _ in watchers:
        await ready.acquire()
    await asyncio.to_thread(act)
    await asyncio.gather(*watchers)
    return told


def test_each_of_200_watchers_gets_every_event_once_and_no_connection_stays_taken(api_process, store, start_run):
    _, port = api_process
    experiment, attempt = start_run(store)

    def train():
        assert gauge(port, "heron_event_streams") == WATCHERS
        # Watchers that wait hold nothing: all that is ever taken is the one poller's, for moments.
        until(lambda: gauge(port, 'heron_database_connections{state="in_use"}') == 0)
        for round in range(1, ROUNDS + 1, 3):
            store.record(attempt.id, attempt.token, events=[round_finished(round + n) for n in range(3)])
        store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={})

    told = asyncio.run(follow_many(port, experiment.id, train))
    assert told == [list(range(1, 3 + ROUNDS + 2))] * WATCHERS
    until(lambda: gauge(port, "heron_event_streams") == 0)
    assert gauge(port, 'heron_database_connections{state="in_use"}') == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_api_stops_within_5_seconds_with_200_streams_open(api_process, store, start_run, tmp_path):
    process, port = api_process
    experiment, _ = start_run(store)

    def stop():
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=5)

    told = asyncio.run(follow_many(port, experiment.id, stop))
    assert told == [[1, 2, 3]] * WATCHERS
    # Uvicorn ends in order and then hands the signal on.
    assert process.returncode == -signal.SIGTERM
    lines = [json.loads(line) for line in (tmp_path / "api.log").read_text().splitlines()]
    assert "Shutting down" in [line["message"] for line in lines]
    assert [line for line in lines if line["level"] != "INFO"] == []
