"""Routes of studies: submit a grid of experiments, look how far it is, draw it, cancel what has not ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response, status

from api.domain.states import TERMINAL
from api.routes.examples import example_spec
from api.routes.experiments import CallerParameter, KeyParameter, PolicyParameter, StoreParameter
from api.routes.figures import Figures, curves_of
from api.routes.policy_wire import plain
from api.routes.problems import refusals
from api.routes.studies_wire import StudyDetail, StudyPage, StudySubmission, StudySummary, rows_in, study_of, summary_of
from heron_ray.errors import ConflictError, NotFoundError, SpecError, SpecIssue
from heron_ray.figures import themes
from heron_ray.figures.curve import Curve
from heron_ray.spec.study import CurvesFigure
from heron_ray.studies import expand, parse_study
from heron_ray.studies.drawing import draw
from heron_ray.studies.table import ACCURACIES, groups_of

# They are queued in one transaction, during which nobody else writes to SQLite.
MOST_EXPERIMENTS = 1000
# Of each accuracy of each experiment, in a figure of curves.
POINTS_OF_CURVE = 200
EXAMPLE = {
    "study": {
        "name": "rules",
        "base": example_spec(),
        "axes": {
            "attack": {
                "kind": "cases",
                "cases": {"none": {"attack": None}, "sign_flip": {"attack": {"kind": "sign_flip", "byzantine": 2}}},
            },
            "rule": {"kind": "path", "path": "aggregation.kind", "values": ["mean", "median"]},
            "probes": {"kind": "path", "path": "method.zeroth_order.probes", "values": [2, 8]},
        },
        "seeds": [0, 1],
        "figures": [{"kind": "worst_case", "over": "attack", "rows": "rule", "columns": "probes"}],
    }
}
SAME: dict[int | str, dict[str, Any]] = {200: {"model": StudySummary, "description": "The key was used before, for the same."}}

router = APIRouter(prefix="/v1/studies", tags=["studies"], responses=refusals(422))


@router.post("", status_code=status.HTTP_201_CREATED, responses={**refusals(400, 409, 413, 415), **SAME})
def submit_study(
    submission: Annotated[StudySubmission, Body(examples=[EXAMPLE])],
    response: Response,
    store: StoreParameter,
    policy: PolicyParameter,
    caller: CallerParameter,
    key: KeyParameter = None,
) -> StudySummary:
    """Submit a study. Every cell becomes an experiment, all of them or none; `Location` says where to follow the study."""
    study = parse_study(submission.study)
    cells = expand(study)
    specs = {cell.key: cell.spec for cell in cells if cell.spec is not None}
    if len(specs) > MOST_EXPERIMENTS:
        message = f"{len(specs):,} different experiments are more than the {MOST_EXPERIMENTS:,} that one study may queue"
        raise SpecError(
            [SpecIssue(path="axes", message=message)], hint="make it several studies, or run it with heron study run"
        )
    policy.require_trials(len(specs), of="axes")
    for spec in specs.values():
        policy.require(spec)
    record, is_new = store.studies.submit(
        study,
        [cell.spec if cell.spec is not None else cell.impossible or "" for cell in cells],
        tags=submission.tags,
        key=key,
        submitted_by=caller,
        retry=plain(submission.retry),
        resources=plain(submission.resources),
    )
    response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    response.headers["Location"] = f"{router.prefix}/{record.id}"
    return summary_of(record, store.studies.states([record.id])[record.id])


@router.get("", responses=refusals(404))
def list_studies(
    store: StoreParameter,
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
    before: Annotated[str | None, Query(description="The `next` of the page before: only older studies.")] = None,
) -> StudyPage:
    """List studies, newest first."""
    records = store.studies.list(limit=limit + 1, before=before)
    page = records[:limit]
    states = store.studies.states([record.id for record in page])
    return StudyPage(
        studies=[summary_of(record, states[record.id]) for record in page],
        next=page[-1].id if len(records) > limit else None,
    )


@router.get("/{id}", responses=refusals(404))
def show_study(id: str, store: StoreParameter) -> StudyDetail:
    """Show a study: every cell with its labels, its experiment, and what that came to."""
    return StudyDetail.describe(store.studies.get(id), store.studies.cells(id))


@router.get("/{id}/figures", responses=refusals(404))
def draw_study(id: str, store: StoreParameter) -> Figures:
    """Draw a study's figures from the cells that have ended: `1: worst_case`, `2: bands`, ... as the study lists them."""
    study, cells = study_of(store.studies.get(id)), store.studies.cells(id)
    curves: Mapping[str, Mapping[str, Curve]] = {}
    if any(isinstance(figure, CurvesFigure) for figure in study.figures):
        ids = [cell.experiment.id for cell in cells if cell.experiment is not None]
        found = store.curves.sample(ids, points=POINTS_OF_CURVE, patterns=tuple(ACCURACIES))
        curves = {id: curves_of(some) for id, some in found.items()}
    groups = groups_of(rows_in(study, cells, curves))
    drawn = {f"{number}: {figure.kind}": draw(study, figure, groups) for number, figure in enumerate(study.figures, start=1)}
    return Figures(figures=drawn, themes=themes())


@router.post("/{id}/cancel", responses=refusals(404))
def cancel_study(id: str, store: StoreParameter) -> StudyDetail:
    """Cancel every experiment of a study that has not ended; asking twice is no error."""
    experiments = {cell.experiment.id: cell.experiment for cell in store.studies.cells(id) if cell.experiment is not None}
    for experiment in experiments.values():
        if experiment.state not in TERMINAL:
            with suppress(ConflictError, NotFoundError):  # it has ended or was deleted since
                store.request_cancel(experiment.id)
    return show_study(id, store)
