"""Connections: one engine per process, with the settings each database needs to be safe under several processes.

SQLite: write-ahead log, a patient lock, foreign keys, and `BEGIN IMMEDIATE` for writers, so that a writer waits at the
start of its transaction and never fails in the middle of one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from heron_ray.errors import DatabaseError

LOCK_WAIT_MS = 30_000
# Of a connection to PostgreSQL. Where a network swallows what is sent, nothing else would ever end the waiting.
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 15, "keepalives_interval": 5, "tcp_user_timeout": 30_000}
# Compiling a query takes PostgreSQL longer than the longest of ours takes to run.
NO_JIT = {"options": "-c jit=off"}
# Of one process, at most. All of them stay open: those that come with a burst and go with it cost it more than the waiting.
CONNECTIONS = 15
WRITER_OPTION = "heron_writer"
URL_HINT = "use sqlite:////absolute/path/heron.db or postgresql://user:password@host/database"


def open_engine(url: str) -> Engine:
    """An engine for a database URL; nothing is connected yet.

    Raises:
        DatabaseError: The URL is malformed, of an unknown database, or names an SQLite database in memory, which the
            API and the dispatcher could not share.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError("the database URL cannot be read", hint=URL_HINT) from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseError(f"heron-ray cannot keep its records in {parsed.get_backend_name()!r}", hint=URL_HINT)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise DatabaseError("an SQLite database in memory cannot be shared between processes", hint=URL_HINT)
    try:
        is_remote = parsed.get_backend_name() == "postgresql"
        settings = {**NO_JIT, **PATIENCE, **parsed.query} if is_remote else {}
        engine = create_engine(parsed, pool_pre_ping=is_remote, pool_size=CONNECTIONS, max_overflow=0, connect_args=settings)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise DatabaseError(f"the database URL cannot be used: {error}", hint=URL_HINT) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def writer(engine: Engine) -> Engine:
    """The same engine and pool, for transactions that write."""
    return engine.execution_options(**{WRITER_OPTION: True})


def now(session: Session) -> datetime:
    """The database's clock, in UTC: one clock for all processes, so leases do not depend on theirs."""
    if session.get_bind().dialect.name == "sqlite":
        value = session.scalar(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"))
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
    value = session.scalar(text("SELECT clock_timestamp()"))
    if not isinstance(value, datetime):
        raise DatabaseError(f"the database's clock answered {value!r}")
    return value.astimezone(UTC)


def use_write_ahead_log(engine: Engine) -> None:
    """Let readers and the writer of an SQLite database not wait for one another; the file remembers it."""
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn SQLAlchemy's errors into DatabaseError: callers outside this room do not know SQLAlchemy."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseError(f"the database refused: {' '.join(str(cause).split())}") from error


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # Transactions are begun by `_begin_sqlite`, not by the driver.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}").close()
    connection.execute("PRAGMA foreign_keys=ON").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITER_OPTION, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
