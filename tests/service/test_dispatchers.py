"""Two dispatchers on one database: neither touches what the other holds, and one that was believed dead does no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import ray

from api.dispatcher.leases import DATABASE_VARIABLE
from api.store import Store
from heron_ray.spec import parse_spec

MIDDLE = 60
LEASE_S = 6.0


@pytest.fixture
def workplace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="heron-test-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture
def store(workplace: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{workplace}/heron.db")
    yield opened
    opened.close()


@pytest.fixture
def ray_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    context = ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield context.address_info["gcs_address"]
    ray.shutdown()


@pytest.fixture
def dispatch(workplace: Path, store: Store, ray_address: str) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a dispatcher by that name."""
    running: list[subprocess.Popen[bytes]] = []

    def start(owner: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "api.dispatcher",
                f"--ray-address={ray_address}", f"--owner={owner}", f"--checkpoints={workplace / 'checkpoints'}",
                f"--artifacts={workplace / 'artifacts'}", f"--lease-s={LEASE_S}",
            ],
            env={**os.environ, DATABASE_VARIABLE: store.url},
        )  # fmt: skip
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def owners(store, id):
    return [attempt.owner for attempt in store.attempts(id)]


@pytest.mark.soak
def test_a_stopped_dispatcher_loses_its_experiment_and_does_no_harm_when_it_wakes(
    store, dispatch, undisturbed, small_spec, until
):
    zombie = dispatch("first")
    id = store.submit(parse_spec(small_spec())).id
    until(lambda: store.get(id).round >= MIDDLE, "it runs")
    driver = psutil.Process(store.attempts(id)[0].driver_pid)
    zombie.send_signal(signal.SIGSTOP)
    dispatch("second")
    until(lambda: len(owners(store, id)) == 2, "the second dispatcher takes it")
    zombie.send_signal(signal.SIGCONT)
    until(lambda: not driver.is_running() or driver.status() == psutil.STATUS_ZOMBIE, "the first one ends its driver")
    ended = until(lambda: (found := store.get(id)).state in ("SUCCEEDED", "FAILED") and found, "it ends")

    assert ended.state == "SUCCEEDED", ended
    assert ended.result["trajectory_digest"] == undisturbed.result.trajectory_digest
    assert store.series(id) == undisturbed.series
    first, second = store.attempts(id)
    assert (first.exit_reason, second.owner, second.exit_reason) == ("lease_expired", "second", "succeeded")
    assert zombie.poll() is None


@pytest.mark.soak
def test_two_dispatchers_share_a_queue_and_leave_each_others_attempts_alone(store, dispatch, undisturbed, small_spec, until):
    dispatch("first")
    dispatch("second")
    ids = [store.submit(parse_spec(small_spec())).id for _ in range(4)]
    until(lambda: all(store.get(id).state == "SUCCEEDED" for id in ids), "all of them succeed", within_s=400)
    assert {owner for id in ids for owner in owners(store, id)} == {"first", "second"}
    assert [(one.owner, one.slots, one.is_silent) for one in store.dispatchers.list()] == [
        ("first", 1, False),
        ("second", 1, False),
    ]
    for id in ids:
        assert len(owners(store, id)) == 1
        assert store.get(id).result["trajectory_digest"] == undisturbed.result.trajectory_digest
