from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

from api.store import Store, migrate
from api.store.engine import open_engine, writer
from api.store.tables import Base
from heron_ray.errors import DatabaseError

FIRST_SCHEMA = (
    "INSERT INTO experiment (number, id, name, spec, spec_hash, trajectory_hash, state, round, rounds, created_at,"
    " updated_at, attempts, events, result) VALUES (7, 'first', 'old', '{}', 's', 't', 'SUCCEEDED', 20, 20,"
    """ CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 1, 0, '{"test_accuracy": 0.75, "validation_accuracy": null}')""",
    "INSERT INTO experiment_tag (experiment, tag, position) VALUES (7, 'night', 0)",
    "INSERT INTO attempt (id, experiment, number, token, owner, lease_expires_at, node, started_at, ended_at, exit_reason)"
    " VALUES (41, 7, 1, 1, 'me', CURRENT_TIMESTAMP, 'node-a', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 'succeeded')",
)


def test_the_migrations_create_what_the_tables_say(store, database_url):
    engine = open_engine(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_opening_again_keeps_everything(store, database_url, make_spec):
    id = store.submit(make_spec()).id
    again = Store.open(database_url)
    assert again.get(id) == store.get(id)
    again.close()


def test_a_database_of_the_first_schema_is_upgraded_with_all_that_it_holds(database_url):
    engine, config = open_engine(database_url), Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with writer(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_SCHEMA:
            connection.exec_driver_sql(statement)
    engine.dispose()
    store = Store.open(database_url)
    (experiment,) = store.list(limit=9)
    (attempt,) = store.attempts("first")
    store.close()
    assert (experiment.id, experiment.state, experiment.rounds) == ("first", "SUCCEEDED", 20)
    assert (experiment.tags, experiment.revision, experiment.archived_at) == (("night",), 1, None)
    assert (experiment.test_accuracy, experiment.validation_accuracy, experiment.auxiliary_accuracy) == (0.75, None, None)
    assert (attempt.id, attempt.node, attempt.exit_reason) == (41, "node-a", "succeeded")


def test_four_openers_of_a_new_database_do_not_stumble_over_one_another(database_url):
    failures, barrier = [], threading.Barrier(4)

    def open_store():
        barrier.wait()
        try:
            Store.open(database_url).close()
        except DatabaseError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_database_from_a_newer_version_is_refused_untouched_with_the_way_out(store, database_url):
    engine = open_engine(database_url)
    with writer(engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match=r"newer heron-ray.*9999.*upgrade heron-ray"):
        Store.open(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    engine.dispose()


def test_a_database_of_someone_else_is_refused_untouched(tmp_path):
    path = tmp_path / "photos.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photo (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"not a heron-ray database: it holds photo"):
        Store.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not tables\n" * 200)
    with pytest.raises(DatabaseError, match=r"notes\.txt: file is not a database"):
        Store.open(f"sqlite:///{path}")
    assert path.read_text().startswith("these are notes")


def test_readers_and_the_writer_do_not_hold_one_another_up(sqlite_store, tmp_path, make_spec):
    first = sqlite_store.submit(make_spec()).id
    other = sqlite3.connect(tmp_path / "heron.db", isolation_level=None)
    other.execute("BEGIN")
    assert other.execute("SELECT count(*) FROM experiment").fetchone() == (1,)
    second = sqlite_store.submit(make_spec()).id
    assert other.execute("SELECT count(*) FROM experiment").fetchone() == (1,)
    other.execute("COMMIT")
    other.execute("BEGIN IMMEDIATE")
    assert [record.id for record in sqlite_store.list(limit=9)] == [second, first]
    other.execute("COMMIT")
    other.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nonexistent/directory/heron.db", "unable to open database file"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://localhost/heron", "'mysql'"),
        ("just-a-path.db", "cannot be read"),
        ("postgresql://heron:secret@127.0.0.1:1/heron", "cannot open the database"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_way_out(url, message):
    with pytest.raises(DatabaseError, match=message) as refusal:
        Store.open(url)
    assert refusal.value.hint
    assert "secret" not in str(refusal.value)


def test_a_database_that_breaks_later_answers_with_our_error(sqlite_store, tmp_path, make_spec):
    connection = sqlite3.connect(tmp_path / "heron.db")
    connection.execute("DROP TABLE event")
    connection.close()
    with pytest.raises(DatabaseError, match="no such table: event"):
        sqlite_store.submit(make_spec())
    assert sqlite_store.list(limit=9) == []


@pytest.mark.parametrize("module", ["api.store", "api.routes"])
def test_the_api_process_imports_neither_torch_nor_ray(module):
    code = f"import sys, {module}; print([name for name in ('torch', 'ray', 'sklearn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_store_does_not_import_the_web_framework():
    code = "import sys, api.store; print('fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
