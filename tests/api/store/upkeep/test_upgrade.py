"""Upgrade: says from where to where, keeps an SQLite file as it was, and does nothing twice."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import text

from api.store import Store
from api.store.engine import open_engine, writer
from api.store.migrate import newest_revision, upgrade_to
from api.store.upkeep import upgrade
from heron_ray.errors import DatabaseError


@pytest.fixture
def old_url(database_url):
    """A database of the first schema."""
    engine = open_engine(database_url)
    with writer(engine).begin() as connection:
        upgrade_to(connection, "0001")
    engine.dispose()
    return database_url


def test_an_upgrade_says_from_where_to_where_and_does_nothing_twice(old_url):
    first, second = upgrade(old_url), upgrade(old_url)
    assert (first.before, first.after) == ("0001", newest_revision())
    assert (second.before, second.after, second.copy) == (newest_revision(), newest_revision(), None)
    Store.open(old_url).close()


def test_an_empty_database_gets_the_schema(database_url):
    done = upgrade(database_url)
    assert (done.before, done.after, done.copy) == (None, newest_revision(), None)


def test_the_sqlite_file_is_kept_as_it_was_beside_the_upgraded_one(tmp_path):
    url = f"sqlite:///{tmp_path}/heron.db"
    engine = open_engine(url)
    with writer(engine).begin() as connection:
        upgrade_to(connection, "0002")
    engine.dispose()
    (tmp_path / "heron.db").chmod(0o640)
    copy = upgrade(url).copy
    assert copy is not None
    assert copy.name.startswith("heron.db.0002-20")
    assert copy.stat().st_mode & 0o777 == 0o640
    kept = sqlite3.connect(copy)
    assert kept.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
    kept.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heron.db", copy.name]


def test_a_newer_database_is_refused_untouched_and_not_copied(store, database_url, tmp_path):
    engine = open_engine(database_url)
    with writer(engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match=r"newer heron-ray.*9999"):
        upgrade(database_url)
    assert [path.name for path in tmp_path.iterdir() if "9999" in path.name] == []
