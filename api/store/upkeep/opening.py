"""Opening a database that is there already, and reading it as it is at one moment while others write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from api.store.engine import open_engine, translated_errors
from api.store.migrate import current_revision, name_of, opening
from heron_ray.errors import DatabaseError


@contextmanager
def engine_at(url: str) -> Iterator[Engine]:
    """An engine, disposed of in the end. Raises DatabaseError."""
    engine = open_engine(url)
    try:
        with translated_errors():
            yield engine
    finally:
        engine.dispose()


@contextmanager
def snapshot(url: str) -> Iterator[tuple[Connection, str | None]]:
    """One transaction that only reads, and sees the database as it was when it began; and its schema revision, if it has one.

    Raises:
        DatabaseError: There is no such database, it cannot be opened, is not one of heron-ray's, or is newer.
    """
    with engine_at(url) as engine:
        file = sqlite_file(engine)
        if file is not None and not file.is_file():
            raise DatabaseError(f"there is no database at {name_of(engine)}", hint="check --database or --state-dir")
        with opening(engine):
            connection = engine.connect()
        with connection:
            if file is None:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            # Nothing was written, and the end of a transaction on a damaged file would be an error of its own.
            transaction = connection.begin()
            try:
                with opening(engine):
                    revision = current_revision(connection)
                yield connection, revision
            finally:
                transaction.rollback()


def sqlite_file(engine: Engine) -> Path | None:
    """Where an SQLite database lies; None for another kind."""
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
