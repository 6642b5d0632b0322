"""Routes of many experiments: list them, compare them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, AwareDatetime

from api.domain.comparison import differences, figures
from api.domain.conditions import parse_conditions
from api.domain.listing import KEYS, MARK, Filters, Order, Place
from api.domain.states import State
from api.routes.experiments import StoreParameter
from api.routes.experiments_wire import Comparison, Id
from api.routes.problems import refusals
from api.routes.wire import ExperimentPage, ExperimentSummary, Tag
from heron_ray.errors import RequestError


def _storable(time: datetime) -> datetime:
    """To UTC. Raises ValueError where no database could hold it."""
    if not 1 < time.year < 9999:
        raise ValueError("the year must lie between 2 and 9998")
    return time.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(_storable)]
ARCHIVED = {"false": False, "true": True, "any": None}
router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=refusals(404, 422))


@router.get("")
def list_experiments(
    store: StoreParameter,
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
    before: Annotated[
        str | None,
        Query(max_length=2000, description="The `next` of the page before, or an experiment's id: only what comes behind it."),
    ] = None,
    sort: Annotated[
        str,
        Query(max_length=50, description=f"{', '.join(KEYS)}; with `-`, descending. What has no figure comes last."),
    ] = "-created",
    state: Annotated[list[State] | None, Query(description="Only these states; may be repeated.")] = None,
    tag: Annotated[list[Tag] | None, Query(max_length=20, description="Only those with all of these; may be repeated.")] = None,
    name: Annotated[
        str | None, Query(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200, description="Only those with this in their name.")
    ] = None,
    created_after: Annotated[Time | None, Query(description="Only those submitted later than 2026-11-25T08:00:00Z.")] = None,
    created_before: Annotated[Time | None, Query(description="Only those submitted earlier.")] = None,
    archived: Annotated[Literal["false", "true", "any"], Query(description="Of the archive: none, only, or too.")] = "false",
    where: Annotated[
        list[str] | None,
        Query(
            max_length=20,
            description="Only those of whose spec this holds, such as `method.zeroth_order.mu>=1e-4`; may be repeated."
            " Compare by = != < <= > >= with a YAML value.",
        ),
    ] = None,
) -> ExperimentPage:
    """List experiments, newest first or in another order, without their specs and results."""
    order = Order.parse(sort)
    filters = Filters(
        states=tuple(state or ()),
        tags=tuple(tag or ()),
        name=name,
        created_after=created_after,
        created_before=created_before,
        archived=ARCHIVED[archived],
        conditions=parse_conditions(where or ()),
    )
    after = None if before is None else _read_place(before, order)
    records, end = store.lists.page(filters, order, limit=limit, after=after)
    lines = [ExperimentSummary.of(record) for record in records]
    return ExperimentPage(experiments=lines, next=None if end is None else end.cursor())


@router.get("/compare")
def compare_experiments(
    store: StoreParameter,
    id: Annotated[list[Id], Query(min_length=2, max_length=50, description="From 2 to 50 ids, one `id=` each.")],
) -> Comparison:
    """Compare experiments: where their specs differ, their final figures side by side, and the series they share."""
    found = {record.id: (record, names) for record, names in store.lists.compared(list(dict.fromkeys(id)))}
    names = sorted(frozenset().union(*(series for _, series in found.values())))
    having = {name: [one for one, (_, series) in found.items() if name in series] for name in names}
    return Comparison(
        experiments=[ExperimentSummary.of(record) for record, _ in found.values()],
        differences=differences({one: record.spec for one, (record, _) in found.items()}),
        figures=figures({one: record.result for one, (record, _) in found.items()}),
        shared_series=[name for name, ids in having.items() if len(ids) == len(found)],
        series={name: ids for name, ids in having.items() if len(ids) < len(found)},
    )


def _read_place(before: str, order: Order) -> Place | str:
    if before.startswith(MARK):
        return Place.read(before, order)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", before):
        raise RequestError("this is neither a cursor of the list nor an id", parameter="before")
    return before
