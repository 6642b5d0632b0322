"""A database with something in every table, and a look at all of its rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from api.domain.admission import Resources
from api.domain.cluster import Node
from api.domain.states import State
from api.routes.examples import example_spec
from api.store import Store
from api.store.engine import open_engine, writer
from api.store.tables import ApiKeyRow, ArtifactRow
from api.store.upkeep.reflection import reflected_tables
from heron_ray.spec import ExperimentSpec, parse_spec
from heron_ray.spec.sweep import SweepSpec
from heron_ray.studies import parse_study
from tune_spaces import resolve_space

Rows = dict[str, list[tuple[Any, ...]]]
RESULT = {"test_accuracy": 0.1 + 0.2, "costs": {"bytes_up": 2**40}, "note": "naïve \u2028 😀", "loss": None}


@pytest.fixture
def filled(store: Store, database_url: str) -> str:
    """The URL of a database with experiments of every kind, their rows in every table, and some that were deleted again."""
    fill(store)
    return database_url


def fill(store: Store) -> None:
    spec = parse_spec({**example_spec(), "rounds": 3})
    store.submit_once(spec, ["night", "ünïcode"], key="once")
    succeed(store, rounds=3)
    store.submit(spec, ["lost"])
    id, token, _ = begin(store, rounds=1)
    store.interrupt(id, token, reason="driver_lost", message="its driver is gone", max_attempts=3)
    begin(store, rounds=2)
    failed = store.submit(spec)
    id, token, _ = begin(store, rounds=1)
    store.finish(id, token, state=State.FAILED, reason="diverged", message="loss is not finite", result=None)
    store.retry(failed.id)
    store.request_cancel(store.submit(spec).id)
    _fill_sweep(store)
    last = store.submit(spec).id
    for _ in range(3):
        claimed = store.claim(owner="d", lease_s=60)
        assert claimed is not None
        if claimed[0].id == last:
            store.finish(claimed[1].id, claimed[1].token, state=State.FAILED, reason="x", message=None, result=None)
    store.delete(last)
    _fill_study(store, spec)
    _fill_beside(store)
    has = Resources(cpus=0.5, memory_bytes=2**33)
    node = Node(id="n", name="näme", address="10.0.0.1", is_alive=True, is_head=True, has=has)
    store.dispatchers.note("d", slots=1, nodes=[node])


def _fill_study(store: Store, spec: ExperimentSpec) -> None:
    """A study of one cell that is cancelled and one that cannot be."""
    axes = {name: {"kind": "path", "path": f"clients.{name}", "values": [1]} for name in ("count", "local_steps")}
    figures = [{"kind": "bands", "x": "count", "lines": "local_steps"}]
    study = parse_study({"base": spec.canonical(), "axes": axes, "figures": figures, "seeds": [0, 1]})
    store.studies.submit(study, [spec, "it cannot be"], key="study")
    for cell in store.studies.cells(store.studies.list(limit=1)[0].id):
        if cell.experiment is not None:
            store.request_cancel(cell.experiment.id)


def begin(store: Store, *, rounds: int) -> tuple[int, int, str]:
    """Claim the oldest queued experiment and finish some of its rounds."""
    claimed = store.claim(owner="dispatcher-1", lease_s=60)
    assert claimed is not None
    record, attempt = claimed
    store.running(attempt.id, attempt.token, driver_pid=7, node="node-a")
    events = [
        {
            "kind": "round_finished",
            "key": f"round_finished:{round}",
            "round": round,
            "rounds": 3,
            "metrics": {"test_accuracy": round / 3, "train_loss": float("inf") if round == 2 else 1e-17 * round},
        }
        for round in range(1, rounds + 1)
    ]
    store.record(attempt.id, attempt.token, events=events)
    return attempt.id, attempt.token, record.id


def succeed(store: Store, *, rounds: int) -> str:
    id, token, experiment = begin(store, rounds=rounds)
    store.finish(id, token, state=State.SUCCEEDED, reason=None, message=None, result=RESULT)
    return experiment


def _fill_sweep(store: Store) -> None:
    base = example_spec()
    sweep = SweepSpec(space=resolve_space("mu"), samples=2, search="random", scheduler="none", seed=0)
    store.sweeps.submit(base, sweep, name="waits")
    claimed = store.sweeps.claim(owner="d", lease_s=60)
    assert claimed is not None
    store.sweeps.running(claimed.id, claimed.token, owner_pid=8, proposals=[{"method.zeroth_order.mu": 1e-4}, {}])
    store.sweeps.submit_trial(claimed.id, claimed.token, 1, parse_spec(base))


def _fill_beside(store: Store) -> None:
    """Rows that people and machines add beside experiments."""
    at = datetime(2026, 11, 2, 3, 4, 5, 678901, tzinfo=UTC)
    oldest = store.list(limit=200)[-1].number
    with writer(store._engine).begin() as connection:
        artifact = {"kind": "checkpoint", "size_bytes": 2**33, "sha256": "a" * 64, "round": 3, "created_at": at}
        connection.execute(insert(ArtifactRow).values(experiment=oldest, name="checkpoints/3.safetensors", **artifact))
        key = {"name": "ci", "hash": "b" * 64, "scope": "submit", "created_at": at, "last_used_at": at, "revoked_at": None}
        connection.execute(insert(ApiKeyRow).values(id="k1", **key))


@pytest.fixture
def rows_of() -> Callable[[str], Rows]:
    """Every row of every table of a database, as plain values in the order of their keys."""

    def read(url: str) -> Rows:
        engine = open_engine(url)
        with engine.connect() as connection:
            tables = reflected_tables(connection)
            found = {
                table.name: [
                    tuple(row._mapping[name] for name in sorted(row._mapping))
                    for row in connection.execute(select(table).order_by(*table.primary_key.columns))
                ]
                for table in tables
            }
        engine.dispose()
        return found

    return read
