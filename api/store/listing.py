"""Which experiments a page of the list shows. Each question walks an index from the newest and stops at the page's end."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, select, union_all

from api.domain.states import State
from api.store.tables import ExperimentRow, TagRow


def newest(*, limit: int, older_than: int | None, states: Sequence[State], tag: str | None) -> Select[ExperimentRow]:
    """Up to `limit` experiments, newest first, with a number below `older_than`."""
    chosen = list(dict.fromkeys(states))
    if tag is None and len(chosen) > 1:
        return _of_states(chosen, limit, older_than)
    statement = select(ExperimentRow).limit(limit)
    # The order and the bound are those of the table whose index is walked.
    number = ExperimentRow.number if tag is None else TagRow.experiment
    if tag is not None:
        statement = statement.join(TagRow, TagRow.experiment == ExperimentRow.number).where(TagRow.tag == tag)
    if chosen:
        statement = statement.where(ExperimentRow.state.in_(chosen))
    if older_than is not None:
        statement = statement.where(number < older_than)
    return statement.order_by(number.desc())


def _of_states(states: Sequence[State], limit: int, older_than: int | None) -> Select[ExperimentRow]:
    """One walk per state, then the newest of all: an index cannot be walked by number across several states."""
    walks = []
    for state in states:
        walk = select(ExperimentRow.number).where(ExperimentRow.state == state)
        if older_than is not None:
            walk = walk.where(ExperimentRow.number < older_than)
        walks.append(select(walk.order_by(ExperimentRow.number.desc()).limit(limit).subquery()))
    merged = union_all(*walks).subquery()
    newest_numbers = select(merged.c.number).order_by(merged.c.number.desc()).limit(limit).subquery()
    same = ExperimentRow.number == newest_numbers.c.number
    return select(ExperimentRow).join(newest_numbers, same).order_by(newest_numbers.c.number.desc())
