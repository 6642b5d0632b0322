"""Routes of curves: thinned ones of several experiments for a chart, whole ones of one experiment for a script."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from operator import itemgetter
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.routes.experiments import StoreParameter
from api.routes.figures import curves_of
from api.routes.problems import refusals
from api.routes.series_wire import Curves, CurvesOfExperiment, ThinnedCurve
from api.routes.wire import SeriesOfExperiment
from api.store import Store
from heron_ray.errors import AnswerTooLargeError

MOST_EXPERIMENTS = 50
# Points in one answer: of thinned curves, built in memory, and of whole ones, sent curve by curve.
MOST_POINTS = 250_000
MOST_POINTS_WHOLE = 1_000_000
LAST_ROUND = 2**31 - 1

router = APIRouter(prefix="/v1", tags=["series"])

Experiments = Annotated[
    list[Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,32}$")]],
    Query(alias="experiment", min_length=1, max_length=MOST_EXPERIMENTS, description="An experiment's id; may be repeated."),
]
PointsOfCurve = Annotated[int, Query(ge=10, le=5000, description="At most this many points per curve.")]


@router.get("/series:query", responses=refusals(404, 422))
def query_series(
    store: StoreParameter,
    experiments: Experiments,
    series: Annotated[
        list[Annotated[str, Field(max_length=200)]] | None,
        Query(max_length=100, description="Only these series: names, or patterns such as `bytes_*`; may be repeated."),
    ] = None,
    first_round: Annotated[int, Query(alias="from", ge=0, le=LAST_ROUND, description="Only from this round on.")] = 0,
    last_round: Annotated[int, Query(alias="to", ge=0, le=LAST_ROUND, description="Only up to this round.")] = LAST_ROUND,
    points: PointsOfCurve = 500,
) -> Curves:
    """Get curves of up to 50 experiments for a chart: long ones thinned, with every spike, gap and end in them."""
    found = store.curves.sample(
        experiments,
        points=points,
        patterns=series or (),
        first_round=first_round,
        last_round=last_round,
        at_most=MOST_POINTS,
    )
    return Curves(
        experiments=[
            CurvesOfExperiment(id=id, series={name: ThinnedCurve.of(curve) for name, curve in curves.items()})
            for id, curves in found.items()
        ]
    )


@router.get("/experiments/{id}/series", response_model=SeriesOfExperiment, responses=refusals(404, 422))
def list_series(
    id: str,
    store: StoreParameter,
    points: Annotated[
        int | None, Query(ge=10, le=5000, description="At most this many points per curve; every point where it is left out.")
    ] = None,
) -> Any:
    """Get every metric's curve so far. Beyond a million points it has to be thinned or exported."""
    if points is not None:
        curves = store.curves.sample([id], points=points, at_most=MOST_POINTS)[id]
        return {"series": curves_of(curves)}
    if store.curves.count(id, up_to=MOST_POINTS_WHOLE + 1) > MOST_POINTS_WHOLE:
        raise AnswerTooLargeError(
            f"experiment {id} has more than {MOST_POINTS_WHOLE:,} points, too many for one answer",
            hint="ask for points=1000, for GET /v1/series:query, or for the file at GET /v1/experiments/{id}/export",
        )
    return StreamingResponse(_whole_curves(store, id), media_type="application/json")


def _whole_curves(store: Store, id: str) -> Iterator[str]:
    """The JSON of `SeriesOfExperiment`, one curve at a time."""
    points = itertools.chain.from_iterable(store.curves.pages(id))
    yield '{"series":{'
    for number, (name, curve) in enumerate(itertools.groupby(points, key=itemgetter(0))):
        rounds, values = [], []
        for _, round, value in curve:
            rounds.append(round)
            values.append(value)
        told = json.dumps({"rounds": rounds, "values": values}, separators=(",", ":"))
        yield f"{',' if number else ''}{json.dumps(name)}:{told}"
    yield "}}"
