"""Routes of figures: Plotly figures as plain JSON, laid out by `heron_ray.figures`; the pages draw these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.domain.curves import SampledCurve
from api.domain.sweeps import best_trial, pareto_set, points_of
from api.routes.experiments import StoreParameter
from api.routes.places import places_of
from api.routes.problems import refusals
from heron_ray.figures import (
    DRAWN,
    POINTS,
    SUMMED,
    Curve,
    Objective,
    Point,
    Trial,
    XAxis,
    client_losses,
    experiment_figures,
    losses_of_clients,
    parallel_coordinates,
    pareto_front,
    partition_map,
    search_history,
    slices,
    spectra_of_rounds,
    spectral_density,
    themes,
)
from tune_spaces import sweep_of

# Before its data are loaded not even an experiment with many attempts has more events.
EARLY = 100

router = APIRouter(prefix="/v1", tags=["figures"])


class Figures(BaseModel):
    """Figures, and the templates that fit them to light and dark ground."""

    figures: dict[str, dict[str, Any]] = Field(description="Plotly figures by name: `data` and `layout`.")
    themes: dict[str, dict[str, Any]] = Field(description="Plotly templates, `light` and `dark`; put one at `layout.template`.")


@router.get("/experiments/{id}/figures", responses=refusals(404, 422))
def draw_experiment(
    id: str,
    store: StoreParameter,
    x: Annotated[XAxis, Query(description="The axis across. What lies at a place that is not known is left out.")] = "round",
) -> Figures:
    """Draw an experiment so far: accuracy, losses, bytes and, once the data are loaded, the partition.

    Where `evaluation.client_losses` asks for it, `clients` is a heat map of their training losses; where `evaluation.spectrum`
    does, `spectrum` is the density of the Hessian's eigenvalues at the first look, the last and up to three in between. Long
    curves are thinned and keep their peaks.
    """
    series = store.curves.sample([id], points=POINTS, patterns=DRAWN)[id]
    totals = store.curves.running_sums(id, SUMMED, points=POINTS)
    places = places_of(store, id, x, points=POINTS)
    drawn = experiment_figures(curves_of(series), totals=curves_of(totals), x=x, places=places)
    early = store.events(id, after=0, limit=EARLY)
    started = next((event.data for event in early if event.kind == "started"), None)
    if started and started["partition"].get("per_client"):
        drawn["partition"] = partition_map(started["partition"])
    # Few experiments tell them, and to look for them goes through all events.
    evaluation = store.get(id).spec["evaluation"]
    if evaluation.get("client_losses") and (told := store.events_of_kind(id, "client_losses")):
        losses = losses_of_clients(event.data for event in told)
        drawn["clients"] = client_losses(losses, byzantine=(started or {}).get("byzantine", ()))
    if evaluation.get("spectrum") and (told := store.events_of_kind(id, "spectrum")):
        drawn["spectrum"] = spectral_density(spectra_of_rounds(event.data for event in told))
    return Figures(figures=drawn, themes=themes())


@router.get("/sweeps/{id}/figures", responses=refusals(404, 422))
def draw_sweep(id: str, store: StoreParameter) -> Figures:
    """Draw a sweep so far: parallel coordinates, and for each objective its history and a slice per axis; a Pareto front.

    How much each axis matters takes longer to work out: `GET /v1/sweeps/{id}/importance` has it with its figure.
    """
    trials = store.sweeps.trials(id)
    plan = sweep_of(store.sweeps.get(id).sweep)
    best = best_trial(trials, objectives=plan.objectives, seeds=plan.seeds)
    records = points_of(trials, seeds=plan.seeds)
    drawn = [
        Trial(
            number=trial.number,
            overrides=trial.overrides,
            validation_accuracy=trial.validation_accuracy,
            test_accuracy=trial.test_accuracy,
        )
        for trial in trials
    ]
    points = [
        Point(number=point.number, overrides=point.overrides, means=point.means, deviations=point.deviations)
        for point in records
    ]
    objectives = [Objective(label=objective.label, direction=objective.direction) for objective in plan.objectives]
    figures = {"parallel_coordinates": parallel_coordinates(drawn, best=best.number if best else None)}
    for index, objective in enumerate(objectives):
        figures[f"history: {objective['label']}"] = search_history(points, objective, index)
        for path, figure in slices(points, objective, index).items():
            figures[f"slice: {path}: {objective['label']}"] = figure
    if len(objectives) > 1:
        optimal = [point.number for point in pareto_set(records, plan.objectives)]
        figures["pareto"] = pareto_front(points, objectives, optimal=optimal)
    return Figures(figures=figures, themes=themes())


def curves_of(found: Mapping[str, SampledCurve]) -> dict[str, Curve]:
    """Sampled curves as figures and answers have them."""
    return {name: Curve(rounds=curve.rounds, values=curve.values) for name, curve in found.items()}
