"""Backup and restore: the same rows come back, on the same kind of database and on the other one, or nothing does."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
import zipfile
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from api.store import Store
from api.store.engine import open_engine, writer
from api.store.migrate import upgrade_to
from api.store.upkeep import back_up, check, restore
from api.store.upkeep.archive import MANIFEST
from heron_ray.errors import BackupError, ConflictError, DatabaseError
from tests.api.store.upkeep.conftest import fill, succeed


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """Another empty database: beside the first on SQLite, in a database of its own on the same PostgreSQL server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/second.db"
        return
    first = request.getfixturevalue("postgresql_server")
    with psycopg.connect(first, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS heron_restored WITH (FORCE)")
        connection.execute("CREATE DATABASE heron_restored")
        before, _, after = first.partition("?")
        yield f"{before.rsplit('/', 1)[0]}/heron_restored{f'?{after}' if after else ''}"
        connection.execute("DROP DATABASE heron_restored WITH (FORCE)")


@pytest.fixture
def second_sqlite(tmp_path):
    return f"sqlite:///{tmp_path}/second.db"


@pytest.fixture
def backup(sqlite_store, tmp_path):
    """A small backup to be damaged."""
    fill(sqlite_store)
    path = tmp_path / "small.zip"
    back_up(f"sqlite:///{tmp_path}/heron.db", path)
    return path


def rewritten(path: Path, change) -> Path:
    """A backup with its members passed through `change(name, bytes)`; None leaves one out."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            data = change(name, source.read(name))
            if data is not None:
                copy.writestr(name, data)
    return target


def with_manifest(path: Path, **fields) -> Path:
    """A backup whose manifest says something else."""
    return rewritten(path, lambda name, data: json.dumps({**json.loads(data), **fields}).encode() if name == MANIFEST else data)


def test_every_row_comes_back_on_either_kind_of_database(filled, empty_url, rows_of, tmp_path):
    done = back_up(filled, tmp_path / "b.zip")
    restored = restore(tmp_path / "b.zip", empty_url)
    before, after = rows_of(filled), rows_of(empty_url)
    assert after == before
    assert {name: len(rows) for name, rows in before.items()} == done.rows == restored.rows
    assert all(done.rows.values()), "a table without a row proves nothing"
    assert check(empty_url) == []


def test_what_was_restored_goes_on_where_it_was_and_gives_no_number_twice(filled, empty_url, make_spec, tmp_path):
    store = Store.open(filled)
    store.submit(make_spec())
    given = [store.list(limit=1)[0].number, max(attempt.id for _, attempt in store.live_attempts())]
    store.close()
    back_up(filled, tmp_path / "b.zip")
    restore(tmp_path / "b.zip", empty_url)
    again = Store.open(empty_url)
    assert again.submit(make_spec()).number == given[0] + 1
    claimed = again.claim(owner="d", lease_s=60)
    assert claimed is not None
    # One attempt was deleted, and it was the newest.
    assert claimed[1].id == given[1] + 2
    again.close()


def test_a_backup_of_a_busy_database_is_one_moment_of_it(store, database_url, second_sqlite, make_spec, tmp_path):
    for _ in range(30):
        store.submit(make_spec(rounds=3))
    busy, stop = Store.open(database_url), threading.Event()

    def work():
        for _ in range(29):
            if not stop.is_set():
                succeed(busy, rounds=3)

    thread = threading.Thread(target=work)
    succeed(store, rounds=3)
    thread.start()
    try:
        back_up(database_url, tmp_path / "b.zip")
    finally:
        stop.set()
        thread.join()
        busy.close()
    restore(tmp_path / "b.zip", second_sqlite)
    assert check(second_sqlite) == []


def test_a_backup_of_an_older_schema_is_upgraded_when_it_is_restored(database_url, empty_url, tmp_path):
    engine = open_engine(database_url)
    with writer(engine).begin() as connection:
        upgrade_to(connection, "0001")
        connection.execute(
            text(
                "INSERT INTO experiment (number, id, name, spec, spec_hash, trajectory_hash, state, round, rounds, created_at,"
                " updated_at, attempts, events) VALUES (7, 'first', 'old', '{}', 's', 't', 'FAILED', 20, 20,"
                " CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 0, 0)"
            )
        )
    engine.dispose()
    assert back_up(database_url, tmp_path / "b.zip").revision == "0001"
    restored = restore(tmp_path / "b.zip", empty_url)
    assert (restored.revision, restored.upgraded_to > "0001") == ("0001", True)
    store = Store.open(empty_url)
    assert store.get("first").revision == 1
    store.close()


def test_nothing_is_restored_over_anything(filled, empty_url, rows_of, tmp_path):
    back_up(filled, tmp_path / "b.zip")
    before = rows_of(filled)
    with pytest.raises(ConflictError, match=r"is not empty: it holds .*artifact"):
        restore(tmp_path / "b.zip", filled)
    assert rows_of(filled) == before


def test_a_backup_is_for_its_owner_only_and_replaces_no_file(backup, tmp_path):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    kept = backup.read_bytes()
    with pytest.raises(ConflictError, match=r"there is a file at .*small\.zip"):
        back_up(f"sqlite:///{tmp_path}/heron.db", backup)
    assert backup.read_bytes() == kept


@pytest.mark.parametrize("place", ["nowhere/b.zip", "heron.db/b.zip"])
def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(sqlite_store, tmp_path, place):
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(BackupError, match=r"cannot write .*b\.zip"):
        back_up(f"sqlite:///{tmp_path}/heron.db", tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_database_that_is_not_there_is_not_made_by_looking(tmp_path):
    url = f"sqlite:///{tmp_path}/none.db"
    for look in (check, lambda url: back_up(url, tmp_path / "b.zip")):
        with pytest.raises(DatabaseError, match=r"there is no database at .*none\.db"):
            look(url)
    assert list(tmp_path.iterdir()) == []


DAMAGE = {
    "cut off": lambda path: _cut(path),
    "a changed row": lambda path: rewritten(path, lambda name, data: data.replace(b"night", b"light")),
    "a lost row": lambda path: rewritten(
        path, lambda name, data: data[: data.rindex(b"\n", 0, -1) + 1] if name == "point.jsonl" else data
    ),
    "a lost table": lambda path: rewritten(path, lambda name, data: None if name == "api_key.jsonl" else data),
    "a table too many": lambda path: _with_member(path, "more.jsonl"),
    "no manifest": lambda path: rewritten(path, lambda name, data: None if name == MANIFEST else data),
    "a manifest that is none": lambda path: rewritten(path, lambda name, data: b"[" if name == MANIFEST else data),
    "no tables": lambda path: rewritten(
        path, lambda name, data: json.dumps({**json.loads(data), "tables": []}).encode() if name == MANIFEST else None
    ),
    "a flipped bit": lambda path: _flipped(path),
}


def _cut(path):
    target = path.with_name("cut.zip")
    target.write_bytes(path.read_bytes()[:-200])
    return target


def _flipped(path):
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("experiment.jsonl")
    target, data = path.with_name("flipped.zip"), bytearray(path.read_bytes())
    data[info.header_offset + 200] ^= 0x10
    target.write_bytes(data)
    return target


def _with_member(path, name):
    target = rewritten(path, lambda _, data: data)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(name, "[]\n")
    return target


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_is_refused_before_anything_is_written(backup, tmp_path, damage):
    with pytest.raises(BackupError):
        restore(DAMAGE[damage](backup), f"sqlite:///{tmp_path}/second.db")
    assert not (tmp_path / "second.db").exists() or "tables" in damage


def test_a_member_that_unpacks_to_more_than_it_says_is_not_unpacked(backup, tmp_path):
    bomb = rewritten(backup, lambda name, data: b"\n" * 50_000_000 if name == "event.jsonl" else data)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(BackupError, match=r"event\.jsonl is not as long as its manifest says"):
        restore(bomb, f"sqlite:///{tmp_path}/second.db")
    assert not (tmp_path / "second.db").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"revision": "9999"}, "schema revision 9999, which is unknown here"), ({"version": 2}, "format 2, which is unknown")],
)
def test_a_backup_of_a_newer_heron_ray_is_refused_with_the_way_out(backup, tmp_path, fields, message):
    with pytest.raises(BackupError, match=message) as refusal:
        restore(with_manifest(backup, **fields), f"sqlite:///{tmp_path}/second.db")
    assert "newer" in (refusal.value.hint or "")
    assert not (tmp_path / "second.db").exists()


def test_a_file_that_is_no_backup_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are notes")
    with pytest.raises(BackupError, match=r"notes\.txt is no backup"):
        restore(path, f"sqlite:///{tmp_path}/second.db")
    with pytest.raises(BackupError, match=r"cannot read .*none\.zip: No such file"):
        restore(tmp_path / "none.zip", f"sqlite:///{tmp_path}/second.db")


def test_a_restore_that_fails_at_its_last_row_leaves_an_empty_database(backup, empty_url, rows_of):
    """Two rows with one key: right by the manifest's digests, refused by the database."""
    with zipfile.ZipFile(backup) as archive:
        manifest, doubled = json.loads(archive.read(MANIFEST)), archive.read("point.jsonl")
    doubled += doubled.splitlines(keepends=True)[-1]
    for entry in manifest["tables"]:
        if entry["name"] == "point":
            entry |= {"rows": entry["rows"] + 1, "size_bytes": len(doubled), "sha256": hashlib.sha256(doubled).hexdigest()}
    changed = {MANIFEST: json.dumps(manifest).encode(), "point.jsonl": doubled}
    with pytest.raises(DatabaseError):
        restore(rewritten(backup, lambda name, data: changed.get(name, data)), empty_url)
    assert rows_of(empty_url) == {}
    restore(backup, empty_url)
    assert check(empty_url) == []
