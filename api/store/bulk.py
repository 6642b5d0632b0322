"""Many rows in one statement, as each database takes them fastest. Callers hold the transaction.

PostgreSQL gets one array per column: one statement, planned once and sent in one message. SQLite has no round trips to
save and gets one prepared statement that is run for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert_rows(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    if _is_postgresql(session):
        session.execute(postgresql.insert(table).from_select(list(rows[0]), _as_arrays(table, rows)))
    else:
        session.connection().execute(sqlite.insert(table), list(rows))


def upsert_rows(session: Session, table: Table, rows: Sequence[dict[str, Any]], *, column: str) -> None:
    """Insert rows; where the primary key is there already, its `column` is written anew. No two rows may share a key."""
    if not rows:
        return
    key = list(table.primary_key)
    if _is_postgresql(session):
        arrays = postgresql.insert(table).from_select(list(rows[0]), _as_arrays(table, rows))
        session.execute(arrays.on_conflict_do_update(index_elements=key, set_={column: arrays.excluded[column]}))
    else:
        single = sqlite.insert(table)
        session.connection().execute(
            single.on_conflict_do_update(index_elements=key, set_={column: single.excluded[column]}), list(rows)
        )


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _as_arrays(table: Table, rows: Sequence[dict[str, Any]]) -> Any:
    """A SELECT of the rows; arrays unnested side by side keep in step."""
    return select(
        *(
            func.unnest(literal([row[name] for row in rows], postgresql.ARRAY(table.c[name].type))).label(name)
            for name in rows[0]
        )
    )
