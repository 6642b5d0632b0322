"""The API as a process of its own, listening on every address of this machine, as `heron serve --host 0.0.0.0` starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import httpx
import pytest

from api.domain.access import Scope
from api.supervisor.listener import listen
from api.supervisor.settings import AccessSettings
from tests.api.routes.test_gate import own_address


@pytest.fixture
def start(store, database_url, tmp_path):
    """Starts it and returns its port; its log is `api.log`."""
    processes = []

    def begin(access):
        with listen("0.0.0.0", 0, has_keys=lambda: True) as listener, (tmp_path / "api.log").open("wb") as log:
            fd, port = listener.fileno(), listener.getsockname()[1]
            command = [sys.executable, "-m", "api.supervisor.api_process", f"--fd={fd}", *access.arguments()]
            environment = {**os.environ, "HERON_DATABASE": database_url, "FORWARDED_ALLOW_IPS": "*"}
            processes.append(subprocess.Popen(command, pass_fds=[fd], env=environment, stderr=log))
        # A request waits in the socket's queue until the process takes it.
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=120).raise_for_status()
        return port

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def asked(url, key=None, **headers):
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return httpx.get(f"{url}/v1/experiments", headers=headers, trust_env=False, timeout=60)


@pytest.mark.skipif(own_address() is None, reason="this machine has only its loopback address")
def test_over_the_network_a_key_is_needed_and_a_revoked_one_is_soon_refused(start, store, tmp_path):
    record, key = store.keys.create(name="test", scope=Scope.READ)
    port = start(AccessSettings())
    here, there = f"http://127.0.0.1:{port}", f"http://{own_address()}:{port}"
    assert asked(here).status_code == 200
    assert asked(there).status_code == 401
    assert asked(there, **{"X-Forwarded-For": "127.0.0.1", "Host": "localhost"}).status_code == 401
    answer = asked(there, key)
    assert answer.status_code == 200
    assert "server" not in answer.headers
    store.keys.revoke(record.id)
    deadline = time.monotonic() + 60
    while asked(there, key).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert asked(there, key).json()["code"] == "unauthenticated"
    assert key not in (tmp_path / "api.log").read_text()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_it_is_told_on_its_command_line_holds(start, store):
    _, key = store.keys.create(name="test", scope=Scope.READ)
    port = start(AccessSettings(require_key=True, rate_limit=0.001))
    assert asked(f"http://127.0.0.1:{port}").status_code == 429  # the look at /healthz was one request
    assert asked(f"http://127.0.0.1:{port}", key).status_code == 200
    assert asked(f"http://127.0.0.1:{port}", key).status_code == 429
