"""Routes of sweeps: submit, list, look, and what may be done to one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response, status

from api.domain.states import TERMINAL
from api.domain.sweeps import points_of
from api.routes.examples import example_spec
from api.routes.experiments import CallerParameter, KeyParameter, PolicyParameter, StoreParameter
from api.routes.problems import refusals
from api.routes.sweeps_wire import (
    Extension,
    Importance,
    ObjectiveImportance,
    SubmittedSweep,
    SweepDetail,
    SweepPage,
    SweepSubmission,
    SweepSummary,
)
from api.store import Store
from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import extreme_specs, plan_sweep, require_fit, sweep_of

EXAMPLE = {"spec": example_spec(), "space": "mu", "samples": 8, "search": "random", "scheduler": "none"}
SAME: dict[int | str, dict[str, Any]] = {
    200: {"model": SubmittedSweep, "description": "The key was used before, for the same."}
}

router = APIRouter(prefix="/v1/sweeps", tags=["sweeps"], responses=refusals(422))


@router.post("", status_code=status.HTTP_201_CREATED, responses={**refusals(400, 404, 409, 413, 415), **SAME})
def submit_sweep(
    submission: Annotated[SweepSubmission, Body(examples=[EXAMPLE])],
    response: Response,
    store: StoreParameter,
    policy: PolicyParameter,
    caller: CallerParameter,
    key: KeyParameter = None,
) -> SubmittedSweep:
    """Submit a sweep. Every trial becomes an experiment; `Location` says where to follow the sweep."""
    base = submission.spec
    if not isinstance(base, Mapping):
        raise SpecError([SpecIssue(path="spec", message="a spec must be a mapping of names to values")])
    sweep = plan_sweep(submission.space, submission.plan())
    name = require_fit(sweep, base).name
    _require_ended(store, sweep)
    policy.require_trials(sweep.samples * sweep.seeds)
    for spec in extreme_specs(sweep.space, base):
        policy.require(spec)
    if key is None:
        record = store.sweeps.submit(base, sweep, name=name, submitted_by=caller)
    else:
        record, is_new = store.sweeps.submit_once(base, sweep, name=name, key=key, submitted_by=caller)
        response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    response.headers["Location"] = f"{router.prefix}/{record.id}"
    return SubmittedSweep(id=record.id, state=record.state)


@router.get("", responses=refusals(404))
def list_sweeps(
    store: StoreParameter,
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
    before: Annotated[str | None, Query(description="The `next` of the page before: only older sweeps.")] = None,
) -> SweepPage:
    """List sweeps, newest first."""
    records = store.sweeps.list(limit=limit + 1, before=before)
    page = records[:limit]
    more = len(records) > limit
    sweeps = [SweepSummary(**SweepSummary.fields_of(record)) for record in page]
    return SweepPage(sweeps=sweeps, next=page[-1].id if more else None)


@router.get("/{id}", responses=refusals(404))
def show_sweep(id: str, store: StoreParameter) -> SweepDetail:
    """Show one sweep: where it stands, its trials and points, and which of them is best."""
    return SweepDetail.describe(store.sweeps.get(id), store.sweeps.trials(id))


@router.get("/{id}/importance", responses=refusals(404))
def weigh_sweep(id: str, store: StoreParameter) -> Importance:
    """Weigh a sweep's axes: how much of each objective's spread they explain."""
    from tune_spaces.importance import importances

    plan = sweep_of(store.sweeps.get(id).sweep)
    points = [point for point in points_of(store.sweeps.trials(id), seeds=plan.seeds) if point.means is not None]
    weighed = [
        ObjectiveImportance.of(
            objective, importances(plan.space, [(point.overrides, (point.means or ())[index]) for point in points])
        )
        for index, objective in enumerate(plan.objectives)
    ]
    return Importance(points=len(points), objectives=weighed)


@router.post("/{id}/pause", responses=refusals(404, 409))
def pause_sweep(id: str, store: StoreParameter) -> SweepDetail:
    """Pause: no more trials begin, those under way go to their ends; then it is QUEUED until it is resumed."""
    return SweepDetail.describe(store.sweeps.pause(id), store.sweeps.trials(id))


@router.post("/{id}/resume", responses=refusals(404, 409))
def resume_sweep(id: str, store: StoreParameter) -> SweepDetail:
    """Resume a paused sweep: it goes on with the trials that have not begun."""
    return SweepDetail.describe(store.sweeps.resume(id), store.sweeps.trials(id))


@router.post("/{id}/extend", responses=refusals(400, 404, 409, 413, 415))
def extend_sweep(
    id: str,
    extension: Annotated[Extension, Body(examples=[{"samples": 4}])],
    store: StoreParameter,
    policy: PolicyParameter,
) -> SweepDetail:
    """Extend a sweep by more points; one that has ended is queued again."""
    plan = sweep_of(store.sweeps.get(id).sweep)
    policy.require_trials((plan.samples + extension.samples) * plan.seeds)
    return SweepDetail.describe(store.sweeps.extend(id, extension.samples), store.sweeps.trials(id))


@router.post("/{id}/cancel", responses=refusals(404, 409))
def cancel_sweep(id: str, store: StoreParameter) -> SweepDetail:
    """Cancel: its trials end after their rounds, those that have ended stay."""
    return SweepDetail.describe(store.sweeps.request_cancel(id), store.sweeps.trials(id))


@router.post("/{id}/retry", responses=refusals(404, 409))
def retry_sweep(id: str, store: StoreParameter, policy: PolicyParameter, caller: CallerParameter) -> SweepDetail:
    """Retry only the trials that failed, as new experiments; a sweep that has ended is queued again."""
    record = store.sweeps.get(id)
    for spec in extreme_specs(sweep_of(record.sweep).space, record.base):
        policy.require(spec)
    store.sweeps.retry(id, submitted_by=caller)
    return SweepDetail.describe(store.sweeps.get(id), store.sweeps.trials(id))


def _require_ended(store: Store, sweep: SweepSpec) -> None:
    """Raise SpecError where a sweep to learn from may still change. Raises NotFoundError."""
    for id in sweep.warm_start:
        if store.sweeps.get(id).state not in TERMINAL:
            raise SpecError([SpecIssue(path="warm_start", message=f"sweep {id} has not ended")])
