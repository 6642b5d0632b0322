"""Routes of an experiment's standing: why it is where it is, and its end at once."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.domain.why import MOST_AHEAD, explain
from api.routes.experiments import StoreParameter, described
from api.routes.policy_wire import Standing
from api.routes.problems import refusals
from api.routes.wire import ExperimentDetail

router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=refusals(422))


@router.get("/{id}/why", responses=refusals(404))
def explain_standing(id: str, store: StoreParameter) -> Standing:
    """Say why an experiment stands where it does: what it waits for, what ended it, what its rounds have shown to go wrong."""
    record, ahead = store.get(id), store.ahead(id, most=MOST_AHEAD)
    return Standing(
        id=record.id,
        state=record.state,
        reason=record.reason,
        waiting=record.waiting,
        ahead=ahead,
        why=explain(record, ahead=ahead, diagnoses=[event.data for event in store.events_of_kind(id, "diagnosis")]),
    )


@router.post("/{id}/kill", response_model=ExperimentDetail, responses=refusals(404, 409))
def kill_experiment(id: str, store: StoreParameter) -> Response:
    """Kill: end it in the middle of its round (CANCELLING until its processes are gone), without a checkpoint."""
    return described(store.request_kill(id), store)
