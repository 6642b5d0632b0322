"""The tables as the database has them, at whatever revision: what a backup holds and a restore fills."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Connection, DateTime, Integer, MetaData, Table, event, func, select, text
from sqlalchemy.engine.interfaces import ReflectedColumn

from api.store.tables import UtcDateTime


def reflected_tables(connection: Connection) -> list[Table]:
    """Every table but Alembic's own, those that others refer to first; times are aware and JSON is plain values."""
    metadata = MetaData()
    event.listen(metadata, "column_reflect", _use_our_types)
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def counted_key(table: Table) -> Column[Any] | None:
    """The primary key that the database counts by itself; None where keys are given."""
    columns = list(table.primary_key.columns)
    return columns[0] if len(columns) == 1 and isinstance(columns[0].type, Integer) else None


def highest_key(connection: Connection, table: Table) -> int | None:
    """The highest number that a table has given to a row, deleted ones included where the database remembers them."""
    key = counted_key(table)
    if key is None:
        return None
    present = connection.scalar(select(func.max(key))) or 0
    if connection.dialect.name == "postgresql":
        sequence = _sequence(connection, table, key)
        given = connection.scalar(text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"))  # noqa: S608
    elif _remembers(connection, table):
        given = connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    else:
        given = None
    return max(present, given or 0)


def count_on_from(connection: Connection, table: Table, highest: int) -> None:
    """Let the next row's number be above `highest`, as far as the database can remember one."""
    key = counted_key(table)
    if key is None or highest < 1:
        return
    if connection.dialect.name == "postgresql":
        sequence = _sequence(connection, table, key)
        connection.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :highest)"), {"sequence": sequence, "highest": highest}
        )
    elif _remembers(connection, table):
        values = {"name": table.name, "highest": highest}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :highest)"), values)


def _use_our_types(_inspector: object, _table: Table, column: ReflectedColumn) -> None:
    if isinstance(column["type"], DateTime):
        column["type"] = UtcDateTime()
    elif isinstance(column["type"], JSON):
        column["type"] = JSON(none_as_null=True)


def _remembers(connection: Connection, table: Table) -> bool:
    """Whether SQLite gives no number of this table twice."""
    made = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table.name})
    return "AUTOINCREMENT" in str(made).upper()


def _sequence(connection: Connection, table: Table, key: Column[Any]) -> str:
    """The quoted name of the sequence behind a PostgreSQL key."""
    names = {"table": table.name, "column": key.name}
    return str(connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), names))
