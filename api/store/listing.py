"""Which experiments a page of the list shows, in which order. Callers hold the transaction.

A page is found by numbers first and its rows are loaded then, so that nothing is read of experiments that are not shown.
Each walk goes along one index from the place where the page before ended, and stops at the end of its page. An index
cannot be walked by a value across several states, so there is one walk per state, and the nearest of all make the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, Select, func, literal, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from api.domain.listing import FIGURES, Filters, Order, Place
from api.domain.states import State
from api.store.tables import ExperimentRow, TagRow

Walk: TypeAlias = Select[Any]
Column: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]

# With conditions on specs a page ends after as many experiments were looked at, however few were found.
MOST_LOOKED_AT = 1000
# A tag of more experiments than this is common, however many more they are.
MOST_COUNTED = 1000

_COLUMNS: Mapping[str, InstrumentedAttribute[Any]] = MappingProxyType(
    {
        "created": ExperimentRow.number,
        "updated": ExperimentRow.updated_at,
        "name": ExperimentRow.name,
        "state": ExperimentRow.state,
        **{figure: getattr(ExperimentRow, figure) for figure in FIGURES},
    }
)


def page_of(
    session: Session, filters: Filters, order: Order, after: Place | None, *, limit: int
) -> tuple[list[int], Place | None]:
    """The numbers of up to `limit` experiments in order, and the place where the next page begins, if there is one."""
    filters = replace(filters, tags=_rarest_first(session, filters.tags))
    if not filters.conditions:
        found = list(_walked(session, filters, order, after, limit=limit + 1))
        shown = found[:limit]
        return [row.number for row in shown], _place(order, shown[-1]) if len(found) > limit else None
    numbers: list[int] = []
    last: Row[Any] | None = None
    looked_at = 0
    for row in _walked(session, filters, order, after, limit=MOST_LOOKED_AT):
        if len(numbers) == limit:
            return numbers, _place(order, last)
        looked_at, last = looked_at + 1, row
        if all(condition.holds(row.spec) for condition in filters.conditions):
            numbers.append(row.number)
    return numbers, _place(order, last) if looked_at == MOST_LOOKED_AT else None


def place_of(session: Session, order: Order, id: str) -> Place | None:
    """Where an experiment stands in a list of this order; None where there is no such experiment."""
    row = session.execute(_numbered(order).where(ExperimentRow.id == id)).one_or_none()
    return None if row is None else _place(order, row)


def _place(order: Order, row: Row[Any] | None) -> Place | None:
    if row is None:
        return None
    # The number is there by itself.
    return Place(order=order, value=None if order.key == "created" else row.value, number=row.number)


def _rarest_first(session: Session, tags: Sequence[str]) -> tuple[str, ...]:
    """The first one's index is walked, and the others are asked of what lies on the way."""
    if len(tags) < 2:
        return tuple(tags)
    counts = {}
    for tag in dict.fromkeys(tags):
        # In order, so that the index is read and not the table.
        some = select(TagRow.experiment).where(TagRow.tag == tag).order_by(TagRow.experiment).limit(MOST_COUNTED).subquery()
        counts[tag] = session.scalar(select(func.count()).select_from(some)) or 0
    return tuple(sorted(counts, key=lambda tag: counts[tag]))


def _walked(session: Session, filters: Filters, order: Order, after: Place | None, *, limit: int) -> Iterator[Row[Any]]:
    """Up to `limit` rows of number, value and, where a condition needs it, spec."""
    if order.key not in FIGURES:
        yield from session.execute(_walk(filters, order, after, limit=limit))
        return
    column, count = _COLUMNS[order.key], 0
    if after is None or after.value is not None:
        for row in session.execute(_walk(filters, order, after, column.is_not(None), limit=limit)):
            count += 1
            yield row
        after = None
    if count < limit:
        yield from session.execute(_walk(filters, order, after, column.is_(None), limit=limit - count))


def _walk(filters: Filters, order: Order, after: Place | None, *bounds: ColumnElement[bool], limit: int) -> Walk:
    """Along the index of a tag, along those of several states, or along the table."""
    narrowed = [*bounds, *_narrowed(filters)]
    if not filters.tags and (filters.states or order.key != "created"):
        return _of_states(filters, order, [*narrowed, *_behind(order, after, ExperimentRow.number)], limit)
    statement, number = _numbered(order), ExperimentRow.number
    if filters.tags:
        # The number is asked of the table whose index is walked.
        number = TagRow.experiment
        statement = statement.join(TagRow, number == ExperimentRow.number).where(TagRow.tag == filters.tags[0])
    if filters.states:
        statement = statement.where(ExperimentRow.state.in_(filters.states))
    statement = statement.where(*narrowed, *_behind(order, after, number))
    statement = _sorted(statement, order, _COLUMNS[order.key], number).limit(limit)
    return statement.add_columns(ExperimentRow.spec) if filters.conditions else statement


def _of_states(filters: Filters, order: Order, narrowed: Sequence[ColumnElement[bool]], limit: int) -> Walk:
    walks: list[Walk] = []
    for state in dict.fromkeys(filters.states or State):
        walk = _numbered(order).where(ExperimentRow.state == state, *narrowed)
        nearest = _sorted(walk, order, _COLUMNS[order.key], ExperimentRow.number).limit(limit).subquery()
        walks.append(select(nearest.c.number, nearest.c.value))
    merged = union_all(*walks).subquery()
    page = _sorted(select(merged.c.number, merged.c.value), order, merged.c.value, merged.c.number).limit(limit)
    if not filters.conditions:
        return page
    found = page.subquery()
    same = ExperimentRow.number == found.c.number
    statement = select(found.c.number, found.c.value, ExperimentRow.spec).join(ExperimentRow, same)
    return _sorted(statement, order, found.c.value, found.c.number)


def _numbered(order: Order) -> Walk:
    return select(ExperimentRow.number, _COLUMNS[order.key].label("value"))


def _sorted(statement: Walk, order: Order, value: Column, number: Column) -> Walk:
    keys = (number,) if order.key == "created" else (value, number)
    return statement.order_by(*(key.desc() if order.descending else key.asc() for key in keys))


def _behind(order: Order, after: Place | None, number: Column) -> list[ColumnElement[bool]]:
    """What holds of everything that comes after a place in a walk."""
    if after is None:
        return []
    if after.value is None:
        return [number < after.number if order.descending else number > after.number]
    column = _COLUMNS[order.key]
    here, keys = tuple_(literal(after.value, column.type), literal(after.number)), tuple_(column, number)
    return [keys < here if order.descending else keys > here]


def _narrowed(filters: Filters) -> list[ColumnElement[bool]]:
    """What is asked of each experiment on the way, whichever index is walked."""
    asked: list[ColumnElement[bool]] = []
    if filters.archived is not None:
        archived_at = ExperimentRow.archived_at
        asked.append(archived_at.is_not(None) if filters.archived else archived_at.is_(None))
    if filters.name is not None:
        # Unlike LIKE this tells cases apart on every database, and nothing in it needs escaping.
        asked.append(func.replace(ExperimentRow.name, filters.name, "") != ExperimentRow.name)
    if filters.created_after is not None:
        asked.append(ExperimentRow.created_at > filters.created_after)
    if filters.created_before is not None:
        asked.append(ExperimentRow.created_at < filters.created_before)
    for tag in filters.tags[1:]:
        other = aliased(TagRow)
        here = select(other.position).where(other.experiment == ExperimentRow.number, other.tag == tag)
        # A value and not EXISTS, which PostgreSQL may turn into a join with all that have the tag.
        asked.append(here.scalar_subquery().is_not(None))
    return asked
