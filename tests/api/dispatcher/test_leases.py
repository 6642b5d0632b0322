"""A lease holds as long as its dispatcher lives, whatever keeps its interpreter busy, and no longer."""

from __future__ import annotations

import time

import pytest

from api.dispatcher.leases import LeaseKeeper

LEASE_S = 8.0


def hold_the_interpreter(seconds):
    """Keep the interpreter's lock for some seconds a time, as a long call into C does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sum(range(10**8))


@pytest.fixture
def keep(store, start_run):
    keepers = []

    def start(lease_s):
        _, attempt = start_run(store)
        store.renew([(attempt.id, attempt.token)], lease_s=lease_s)
        keeper = LeaseKeeper(store, lambda: [(attempt.id, attempt.token)], lease_s=lease_s)
        keeper.start()
        keepers.append(keeper)
        return attempt, keeper

    yield start
    for keeper in keepers:
        keeper.close()


def expiry(store):
    ((_, attempt),) = store.live_attempts()
    return attempt.lease_expires_at


def until(condition):
    while not condition():
        time.sleep(0.02)


def test_a_busy_interpreter_costs_no_lease(store, keep):
    _, keeper = keep(LEASE_S)
    given = expiry(store)
    until(lambda: expiry(store) > given)
    hold_the_interpreter(LEASE_S)
    assert keeper.is_alive()
    assert store.lapsed_attempts() == frozenset()
    assert (expiry(store) - given).total_seconds() > LEASE_S


def test_another_process_takes_over_when_the_one_that_renews_dies(store, keep):
    _, keeper = keep(LEASE_S)
    given = expiry(store)
    until(lambda: expiry(store) > given)
    keeper._process.kill()
    keeper._process.wait()
    died = expiry(store)
    until(lambda: expiry(store) > died)


def test_a_lease_runs_out_once_its_keeper_is_closed(store, keep):
    attempt, keeper = keep(1.0)
    keeper.close()
    until(lambda: store.lapsed_attempts() == {attempt.id})
