"""The figure of a comparison: one series of several experiments over one another."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.domain.comparison import group_labels, labels
from api.routes.experiments import StoreParameter
from api.routes.experiments_wire import Id
from api.routes.places import places_of
from api.routes.problems import refusals
from heron_ray.figures import POINTS, Curve, Run, XAxis, overlay, themes

MOST_EXPERIMENTS = 50
# As many as a browser draws at ease, shared by the runs.
MOST_POINTS = 40_000
FEWEST_POINTS = 400

router = APIRouter(prefix="/v1/experiments", tags=["figures"], responses=refusals(404, 422))


class ComparisonFigure(BaseModel):
    """One figure, and the templates that fit it to light and dark ground."""

    figure: dict[str, Any] = Field(description="A Plotly figure: `data` and `layout`.")
    groups: dict[str, list[str]] = Field(description="By label, the ids of the experiments that differ in seed and name alone.")
    themes: dict[str, dict[str, Any]] = Field(description="Plotly templates, `light` and `dark`; put one at `layout.template`.")


@router.get("/compare/figure")
def draw_comparison(
    store: StoreParameter,
    id: Annotated[list[Id], Query(min_length=1, max_length=MOST_EXPERIMENTS, description="From 1 to 50 ids, one `id=` each.")],
    series: Annotated[str, Query(max_length=200, description="The name of a series.")] = "test_accuracy",
    x: Annotated[XAxis, Query(description="The axis across.")] = "round",
    smoothing: Annotated[float, Query(ge=0, le=0.999, description="Weight of what was before, in an exponential mean.")] = 0.0,
    log_x: Annotated[bool, Query(description="A logarithmic axis across.")] = False,
    log_y: Annotated[bool, Query(description="A logarithmic axis up.")] = False,
    grouped: Annotated[bool, Query(description="Those that differ in their seed alone as a mean with a band.")] = True,
) -> ComparisonFigure:
    """Draw one series of several experiments over one another, seeds as a mean with a band from the lowest to the highest."""
    ids = list(dict.fromkeys(id))
    records = {record.id: record for record, _ in store.lists.compared(ids)}
    specs = {one: record.spec for one, record in records.items()}
    names = labels(specs)
    groups = group_labels(specs)
    points = min(POINTS, max(FEWEST_POINTS, MOST_POINTS // len(ids)))
    # Asked for as a name, so that nothing in it is read as a pattern.
    curves = store.curves.sample(ids, points=points, patterns=[_literal(series)])
    runs = []
    for one in ids:
        found = curves[one].get(series)
        curve = Curve(rounds=(), values=()) if found is None else Curve(rounds=found.rounds, values=found.values)
        runs.append(Run(label=names[one], group=groups[one], curve=curve, places=places_of(store, one, x, points=points)))
    figure = overlay(runs, series=series, x=x, smoothing=smoothing, log_x=log_x, log_y=log_y, grouped=grouped)
    members: dict[str, list[str]] = {}
    for one in ids:
        members.setdefault(groups[one], []).append(one)
    return ComparisonFigure(figure=figure, groups=members, themes=themes())


def _literal(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)
