"""Random kills of a real service, few of them; `python -m benchmarks.chaos` does it at length."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from benchmarks.chaos.experiments import Experiments
from benchmarks.chaos.runs import KINDS, run_undisturbed
from benchmarks.chaos.storm import Storm
from benchmarks.databases import empty_database

EXPERIMENTS = 3
KILLS = 8


@pytest.fixture(scope="module")
def undisturbed():
    return [run_undisturbed(overrides) for overrides in list(KINDS.values())[:EXPERIMENTS]]


@pytest.mark.soak
@pytest.mark.parametrize(("database", "seed"), [("sqlite", 1), ("postgresql", 2)])
def test_whatever_is_killed_every_experiment_ends_as_if_nothing_had_happened(undisturbed, database, seed):
    # Sockets of Ray and of PostgreSQL lie below it, so its path must be short.
    with tempfile.TemporaryDirectory(prefix="heron-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with empty_database(database, folder) as url:
            storm = Storm(Experiments(undisturbed), pieces=EXPERIMENTS, kills=KILLS, seed=seed, limit_s=800)
            outcome = storm.run(url, folder)
    assert outcome.verdict.faults == []
    assert len(outcome.kills) == KILLS
    assert len(outcome.verdict.attempts) == outcome.pieces >= EXPERIMENTS
