"""Many rows in one statement, as each database takes them fastest. Callers hold the transaction.

PostgreSQL gets all rows as one JSON document: one statement, planned once, with one parameter. SQLite has no round trips
to save and gets one prepared statement that is run for each row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, any_, cast, column, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session


def insert_rows(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    if _is_postgresql(session):
        session.execute(postgresql.insert(table).from_select(list(rows[0]), _as_records(table, rows)))
    else:
        session.connection().execute(sqlite.insert(table), list(rows))


def upsert_rows(session: Session, table: Table, rows: Sequence[dict[str, Any]], *, written: str) -> None:
    """Insert rows; where the primary key is there already, column `written` is set anew. No two rows may share a key."""
    if not rows:
        return
    key = list(table.primary_key)
    if _is_postgresql(session):
        records = postgresql.insert(table).from_select(list(rows[0]), _as_records(table, rows))
        session.execute(records.on_conflict_do_update(index_elements=key, set_={written: records.excluded[written]}))
    else:
        single = sqlite.insert(table)
        session.connection().execute(
            single.on_conflict_do_update(index_elements=key, set_={written: single.excluded[written]}), list(rows)
        )


def is_among(session: Session, attribute: InstrumentedAttribute[str], values: Collection[str]) -> ColumnElement[bool]:
    """The condition that an attribute has one of these values."""
    if _is_postgresql(session):
        return attribute == any_(literal(list(values), postgresql.ARRAY(attribute.type)))
    return attribute.in_(values)


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _as_records(table: Table, rows: Sequence[dict[str, Any]]) -> Any:
    """A SELECT of the rows out of one JSON document."""
    names = list(rows[0])
    document = literal(json.dumps(rows, allow_nan=False, default=str))
    columns = (column(name, table.c[name].type) for name in names)
    records = func.json_to_recordset(cast(document, postgresql.JSON)).table_valued(*columns)
    return select(*records.render_derived(name="records", with_types=True).c)
