"""A database of every released schema is kept, is upgraded with all that it holds, and contradicts itself nowhere."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select

from api.domain.states import State
from api.store import Store
from api.store.engine import open_engine, writer
from api.store.migrate import known_revisions, upgrade_to
from api.store.upkeep import check
from api.store.upkeep.reflection import reflected_tables

SCHEMAS = Path(__file__).parent / "schemas"
RELEASED = known_revisions()[:-1]
# The order in which rows may refer to others.
FIRST = ("experiment", "sweep", "study")


def load(revision: str, url: str) -> None:
    """Make a database as it was when that schema was the newest."""
    dump = (SCHEMAS / f"{revision}.sql").read_text(encoding="utf-8")
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(dump)
        connection.close()
        return
    inserts = [(found[1], found[0]) for found in re.finditer(r'^INSERT INTO "(\w+)" VALUES.*;$', dump, flags=re.MULTILINE)]
    ordered = sorted(inserts, key=lambda insert: insert[0] not in FIRST)
    engine = open_engine(url)
    with writer(engine).begin() as connection:
        upgrade_to(connection, revision)
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        for table, statement in ordered:
            if table not in ("alembic_version", "sqlite_sequence"):
                connection.exec_driver_sql(statement)
    engine.dispose()


def rows_of(url: str) -> dict[str, list[dict[str, object]]]:
    """Every row, by table, as the database has them now."""
    engine = open_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: [dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in reflected_tables(connection)
        }
    engine.dispose()
    return found


def common(row: dict[str, object], record: object) -> dict[str, object]:
    """What a record says of the columns of a row."""
    return {name: getattr(record, name) for name in row if hasattr(record, name)}


@pytest.fixture(params=RELEASED)
def upgraded(request, database_url):
    """The rows as they were, and the store that opened them."""
    load(request.param, database_url)
    before = rows_of(database_url)
    store = Store.open(database_url)
    yield before, store
    store.close()


def test_every_released_schema_has_its_file():
    assert sorted(path.stem for path in SCHEMAS.glob("*.sql")) == RELEASED


@pytest.mark.parametrize("revision", RELEASED)
def test_the_file_of_a_schema_is_of_that_schema(revision, tmp_path):
    url = f"sqlite:///{tmp_path}/heron.db"
    load(revision, url)
    fresh = f"sqlite:///{tmp_path}/fresh.db"
    engine = open_engine(fresh)
    with writer(engine).begin() as connection:
        upgrade_to(connection, revision)
    engine.dispose()

    def tables(path):
        connection = sqlite3.connect(path)
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
        connection.close()
        return found

    assert tables(tmp_path / "heron.db") == tables(tmp_path / "fresh.db")


def test_nothing_is_wrong_with_an_upgraded_database(upgraded, database_url):
    assert check(database_url) == []


def test_every_experiment_reads_back_as_it_was(upgraded):
    before, store = upgraded
    listed = {record.id: record for record in store.list(limit=200)}
    assert len(listed) == len(before["experiment"])
    for row in before["experiment"]:
        record = store.get(row["id"])
        assert record == listed[row["id"]]
        assert common(row, record) == {name: value for name, value in row.items() if hasattr(record, name)}
        tags = [
            tag["tag"]
            for tag in sorted(before["experiment_tag"], key=lambda tag: tag["position"])
            if tag["experiment"] == row["number"]
        ]
        assert list(record.tags) == tags
        later = {"revision": 1, "archived_at": None, "submitted_by": None}
        assert {name: getattr(record, name) for name in later} == {name: row.get(name, value) for name, value in later.items()}


def test_every_attempt_event_and_point_reads_back_as_it_was(upgraded):
    before, store = upgraded
    for experiment in before["experiment"]:
        id, number = experiment["id"], experiment["number"]

        def mine(table, number=number):
            return [row for row in before[table] if row["experiment"] == number]

        attempts = [(row["id"], row["number"], row["owner"], row["ended_at"], row["exit_reason"]) for row in mine("attempt")]
        assert [(a.id, a.number, a.owner, a.ended_at, a.exit_reason) for a in store.attempts(id)] == attempts
        events = [(row["id"], row["kind"], row["data"], row["created_at"]) for row in mine("event")]
        assert [(e.id, e.kind, e.data, e.created_at) for e in store.events(id, after=0, limit=200)] == events
        points = [(row["series"], row["round"], row["value"]) for row in mine("point")]
        found = store.series(id).items()
        assert [(name, *pair) for name, curve in found for pair in zip(*curve.values(), strict=True)] == points


def test_every_sweep_and_its_trials_read_back_as_they_were(upgraded):
    before, store = upgraded
    for row in before.get("sweep", []):
        record = store.sweeps.get(row["id"])
        assert common(row, record) == {name: value for name, value in row.items() if hasattr(record, name)}
        assert store.sweeps.proposals(row["id"]) == row["proposals"]
    if "sweep" in before:
        first, second = store.sweeps.trials("sweep1")
        assert (first.experiment_id, first.state, second.experiment_id) == ("trial5", State.CANCELLED, None)


def test_every_study_and_its_cells_read_back_as_they_were(upgraded):
    before, store = upgraded
    for row in before.get("study", []):
        record = store.studies.get(row["id"])
        assert common(row, record) == {name: value for name, value in row.items() if hasattr(record, name)}
        cells = [(cell.experiment and cell.experiment.id, cell.impossible) for cell in store.studies.cells(row["id"])]
        assert cells == [("succeeded1", None), ("failed2", None), (None, "f is too large"), (None, None)]
        assert store.studies.states([record.id])[record.id] == {"SUCCEEDED": 1, "DIVERGED": 1, "IMPOSSIBLE": 1, "DELETED": 1}


def test_what_was_running_can_go_on(upgraded):
    _, store = upgraded
    ((record, attempt),) = store.live_attempts()
    assert (record.id, attempt.id) == ("running3", 5)
    mine = store.adopt(attempt.id, owner="dispatcher-2", lease_s=60)
    store.finish(mine.id, mine.token, state=State.FAILED, reason="diverged", message=None, result=None)
    assert store.get("running3").state == State.FAILED
