"""Writing what happened: events with gapless numbers, points, and state changes. Callers hold the experiment's row.

An event is kept once per (experiment, key), so a resumed attempt that emits its past again doubles nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from api.domain.states import State, require_transition
from api.store.bulk import insert_rows, is_among, upsert_rows
from api.store.tables import EventRow, ExperimentRow, PointRow, table_of

# Keeps a statement's parameters far below every database's limit.
CHUNK = 500


def append_events(session: Session, row: ExperimentRow, events: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Append events that are not there yet, each with the next number of its experiment; store the points they carry."""
    with session.no_autoflush:  # the row is written once, with all that changes in it
        _append_events(session, row, events, at)
    row.updated_at = at


def _append_events(session: Session, row: ExperimentRow, events: Sequence[Mapping[str, Any]], at: datetime) -> None:
    for start in range(0, len(events), CHUNK):
        chunk: dict[str, Mapping[str, Any]] = {}
        for event in events[start : start + CHUNK]:
            chunk.setdefault(event["key"], event)
        known = select(EventRow.key).where(EventRow.experiment == row.number, is_among(session, EventRow.key, chunk))
        for key in session.scalars(known):
            del chunk[key]
        fresh = [_event_values(row, event, at, number=number) for number, event in enumerate(chunk.values(), row.events + 1)]
        insert_rows(session, table_of(EventRow), fresh)
        row.events += len(fresh)
        _upsert_points(session, row, events[start : start + CHUNK])


def change_state(
    session: Session, row: ExperimentRow, state: State, at: datetime, *, reason: str | None = None, message: str | None = None
) -> None:
    """Move to `state` and append the event that says so. Raises ConflictError where the table does not allow it."""
    require_transition(State(row.state), state)
    row.state, row.reason, row.waiting = state, reason, None
    # A message may quote foreign text; PostgreSQL takes no NUL and no database takes half a surrogate pair.
    row.message = None if message is None else message.replace("\0", "").encode(errors="replace").decode()
    append_state_event(session, row, at)


def append_state_event(session: Session, row: ExperimentRow, at: datetime) -> None:
    """Append the event that tells the state the row is in."""
    append_events(session, row, [_state_event(row)], at)


def add_first_event(session: Session, row: ExperimentRow, at: datetime) -> None:
    """Add the first event of a new row, which must be told of it already (`events=1`): there is nothing to look up."""
    values = _event_values(row, _state_event(row), at, number=1)
    session.execute(insert(table_of(EventRow)), values)


def _state_event(row: ExperimentRow) -> dict[str, Any]:
    return {
        "kind": "state",
        "key": f"state:{row.attempts}:{row.state}",
        "state": str(row.state),
        "reason": row.reason,
        "message": row.message,
    }


def plain(value: Any) -> Any:
    """The value with every non-finite number replaced by None: JSON has none, and the databases disagree on them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def _event_values(row: ExperimentRow, event: Mapping[str, Any], at: datetime, *, number: int) -> dict[str, Any]:
    data = {name: plain(value) for name, value in event.items() if name not in ("kind", "key")}
    return {
        "experiment": row.number,
        "id": number,
        "kind": event["kind"],
        "key": event["key"],
        "data": data,
        "created_at": at,
    }


def _upsert_points(session: Session, row: ExperimentRow, events: Sequence[Mapping[str, Any]]) -> None:
    finished = [event for event in events if event["kind"] == "round_finished"]
    # Of a point that comes twice the later one stays: no statement may write a row twice.
    values = {(series, event["round"]): plain(value) for event in finished for series, value in event["metrics"].items()}
    points = [
        {"experiment": row.number, "series": series, "round": round, "value": value}
        for (series, round), value in values.items()
    ]
    upsert_rows(session, table_of(PointRow), points, written="value")
    row.round = max([row.round, *(event["round"] for event in finished)])
