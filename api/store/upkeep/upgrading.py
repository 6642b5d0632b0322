"""Bringing a database to the newest schema. An SQLite file is copied first; PostgreSQL undoes a failed upgrade by itself."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.store.migrate import current_revision, migrate, newest_revision, opening
from api.store.upkeep.files import replacing
from api.store.upkeep.opening import engine_at, sqlite_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What an upgrade did.

    Attributes:
        before: The schema revision found; None where the database was empty.
        after: The schema revision now.
        copy: The SQLite file as it was, where there was something to upgrade.
    """

    before: str | None
    after: str
    copy: Path | None


def upgrade(url: str) -> Upgrade:
    """Bring a database to the newest schema; one that has it already is left alone.

    Raises:
        DatabaseError: It cannot be opened, is not one of heron-ray's, or was written by a newer version.
    """
    with engine_at(url) as engine:
        with opening(engine), engine.connect() as connection:
            before = current_revision(connection)
        after = newest_revision()
        file = sqlite_file(engine)
        copy = _copy(file, before) if file is not None and before not in (None, after) else None
        migrate(engine)
    return Upgrade(before=before, after=after, copy=copy)


def _copy(file: Path, revision: str | None) -> Path:
    """A copy of a database that others may be writing to, beside it."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = file.with_name(f"{file.name}.{revision}-{moment}")
    with replacing(target) as temporary:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        os.chmod(temporary, file.stat().st_mode & 0o777)
    return target
