"""Opening a database that is there already, and reading it as it is at one moment while others write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from api.store.engine import open_engine, translated_errors
from api.store.migrate import name_of, opening
from heron_ray.errors import DatabaseError


@contextmanager
def engine_at(url: str) -> Iterator[Engine]:
    """An engine, disposed of in the end. Raises DatabaseError."""
    engine = open_engine(url)
    try:
        with translated_errors(), opening(engine):
            yield engine
    finally:
        engine.dispose()


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """One transaction that only reads, and sees the database as it was when it began.

    Raises:
        DatabaseError: There is no such database, or it cannot be opened.
    """
    with engine_at(url) as engine:
        file = sqlite_file(engine)
        if file is not None and not file.is_file():
            raise DatabaseError(f"there is no database at {name_of(engine)}", hint="check --database or --state-dir")
        with engine.connect() as connection:
            if file is None:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection


def sqlite_file(engine: Engine) -> Path | None:
    """Where an SQLite database lies; None for another kind."""
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
