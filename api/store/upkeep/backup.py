"""Backup: every row of every table as it was at one moment, into one file, while the service runs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from api.store.migrate import name_of
from api.store.upkeep.archive import ArchiveReader, Manifest, TableEntry, write_manifest, write_table
from api.store.upkeep.files import replacing
from api.store.upkeep.opening import snapshot
from api.store.upkeep.reflection import highest_key, reflected_tables
from heron_ray.errors import BackupError, ConflictError, DatabaseError

# Rows in memory at a time.
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds."""

    path: Path
    revision: str
    rows: dict[str, int]
    size_bytes: int


def back_up(url: str, path: Path) -> Backup:
    """Write a backup of a database to a new file, which appears complete and verified or not at all.

    Raises:
        DatabaseError: The database cannot be opened, is empty, not one of heron-ray's, or newer.
        ConflictError: There is a file at `path`.
        BackupError: The file cannot be written, or does not read back.
    """
    if path.exists():
        raise ConflictError(f"there is a file at {path}", hint="name a new file for every backup")
    try:
        with replacing(path) as temporary:
            manifest = _write(url, temporary)
            with ArchiveReader(temporary) as written:
                written.verify()
    except OSError as error:
        raise BackupError(f"cannot write {path}: {error.strerror or error}") from error
    rows = {entry.name: entry.rows for entry in manifest.tables}
    return Backup(path=path, revision=manifest.revision, rows=rows, size_bytes=path.stat().st_size)


def _write(url: str, path: Path) -> Manifest:
    with snapshot(url) as (connection, revision), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        if revision is None:
            raise DatabaseError(f"the database {name_of(connection.engine)} is empty: there is nothing to back up")
        manifest = Manifest(
            revision=revision,
            created_at=datetime.now(UTC),
            heron_ray=version("heron-ray"),
            tables=tuple(_write_table(connection, table, archive) for table in reflected_tables(connection)),
        )
        write_manifest(archive, manifest)
    return manifest


def _write_table(connection: Connection, table: Table, archive: zipfile.ZipFile) -> TableEntry:
    columns = [column.name for column in table.columns]
    return write_table(archive, table.name, columns, _rows(connection, table), highest=highest_key(connection, table))


def _rows(connection: Connection, table: Table) -> Iterator[Sequence[Any]]:
    """Every row in the order of the primary key, a chunk of them in memory at a time."""
    ordered = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=CHUNK)
    for chunk in connection.execute(ordered).partitions():
        yield from chunk
