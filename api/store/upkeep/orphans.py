"""Rows that refer to rows which are not there: what foreign keys forbid, asked of both databases in the same words."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from api.store.sweep_table import SweepRow
from api.store.tables import ExperimentRow
from api.store.upkeep.fault import Fault


def orphans(connection: Connection, limit: int) -> Iterator[Fault]:
    """Up to `limit` faults per table: one for every experiment or sweep that is missing."""
    for table in ExperimentRow.metadata.sorted_tables:
        for key in table.foreign_keys:
            parent = key.column.table.alias()
            found = (
                select(key.parent, func.count())
                .join_from(table, parent, key.parent == parent.c[key.column.name], isouter=True)
                .where(parent.c[key.column.name].is_(None), key.parent.is_not(None))
                .group_by(key.parent)
                .order_by(key.parent)
                .limit(limit)
            )
            for number, rows in connection.execute(found):
                message = f"{rows} rows of {table.name} belong to experiment number {number}, which is not there"
                yield Fault(rule="orphans", message=message)
    lost = (
        select(ExperimentRow.id, ExperimentRow.sweep_id)
        .join(SweepRow, SweepRow.id == ExperimentRow.sweep_id, isouter=True)
        .where(ExperimentRow.sweep_id.is_not(None), SweepRow.id.is_(None))
        .order_by(ExperimentRow.number)
        .limit(limit)
    )
    for id, sweep in connection.execute(lost):
        yield Fault(experiment=id, rule="orphans", message=f"it is a trial of sweep {sweep}, which is not there")
