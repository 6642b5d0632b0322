"""Restore: fill an empty database from a backup, in one transaction, after the whole backup was verified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, inspect

from api.store.engine import use_write_ahead_log, writer
from api.store.migrate import known_revisions, lock_schema, name_of, newest_revision, opening, upgrade_to
from api.store.tables import UtcDateTime
from api.store.upkeep.archive import ArchiveReader, Manifest, TableEntry
from api.store.upkeep.backup import CHUNK
from api.store.upkeep.opening import engine_at
from api.store.upkeep.reflection import count_on_from, reflected_tables
from heron_ray.errors import BackupError, ConflictError


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored; `revision` is the backup's schema revision, `upgraded_to` that of the database now."""

    revision: str
    upgraded_to: str
    rows: dict[str, int]


def restore(path: Path, url: str) -> Restored:
    """Fill an empty database from a backup of this or an older schema, and bring it to the newest one.

    Raises:
        BackupError: The backup is damaged, of a newer heron-ray, or does not fit its own schema; nothing was written.
        ConflictError: The database is not empty.
        DatabaseError: The database cannot be opened, or refused a row; nothing was written.
    """
    with ArchiveReader(path) as backup:
        manifest = backup.manifest
        if manifest.revision not in known_revisions():
            raise BackupError(
                f"the backup {path} has the schema revision {manifest.revision}, which is unknown here (newest known:"
                f" {newest_revision()})",
                hint="restore it with the heron-ray that wrote it, or a newer one",
            )
        backup.verify()
        with engine_at(url) as engine:
            with opening(engine), engine.connect() as connection:
                _require_empty(connection)
            use_write_ahead_log(engine)
            with writer(engine).begin() as connection:
                lock_schema(connection)
                _require_empty(connection)
                _fill(connection, backup)
    rows = {entry.name: entry.rows for entry in manifest.tables}
    return Restored(revision=manifest.revision, upgraded_to=newest_revision(), rows=rows)


def _require_empty(connection: Connection) -> None:
    if tables := inspect(connection).get_table_names():
        raise ConflictError(
            f"the database {name_of(connection.engine)} is not empty: it holds {', '.join(sorted(tables)[:5])}",
            hint="restore into a new one; nothing here was touched",
        )


def _fill(connection: Connection, backup: ArchiveReader) -> None:
    """Make the backup's schema, insert its rows, upgrade, and let the keys count on from where they were."""
    manifest = backup.manifest
    upgrade_to(connection, manifest.revision)
    tables = {table.name: table for table in reflected_tables(connection)}
    _require_fit(tables, manifest)
    entries = {entry.name: entry for entry in manifest.tables}
    for name, table in tables.items():
        values = _values(table, backup, entries[name])
        while chunk := list(islice(values, CHUNK)):
            _insert(connection, table, chunk)
    upgrade_to(connection, newest_revision())
    for table in reflected_tables(connection):
        if table.name in entries:
            count_on_from(connection, table, entries[table.name].highest or 0)


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    try:
        connection.execute(insert(table), rows)
    except OverflowError:
        raise BackupError(
            f"the backup is damaged: {table.name} has a number that is too large", hint="use another backup"
        ) from None


def _require_fit(tables: dict[str, Table], manifest: Manifest) -> None:
    expected = {name: sorted(column.name for column in table.columns) for name, table in tables.items()}
    held = {entry.name: sorted(entry.columns) for entry in manifest.tables}
    if held != expected or len(held) != len(manifest.tables):
        odd = sorted(name for name in {*held, *expected} if held.get(name) != expected.get(name))
        raise BackupError(
            f"the backup's tables are not those of its schema revision {manifest.revision}: {', '.join(odd)}",
            hint="use another backup",
        )


def _values(table: Table, backup: ArchiveReader, entry: TableEntry) -> Iterator[dict[str, Any]]:
    times = {column.name for column in table.columns if isinstance(column.type, UtcDateTime)}
    for row in backup.rows(entry):
        values = dict(zip(entry.columns, row, strict=True))
        for name in times & values.keys():
            if values[name] is not None:
                values[name] = _time(values[name], entry)
        yield values


def _time(text: object, entry: TableEntry) -> datetime:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise BackupError(f"the backup is damaged: {entry.member} has a time {text!r}", hint="use another backup") from None
