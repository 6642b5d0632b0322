"""Routes of experiments: submit, list, look, follow, cancel."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response, status
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from api.domain.states import State
from api.routes.examples import example_submission
from api.routes.problems import Problem
from api.routes.stream import event_stream, is_over
from api.routes.wire import (
    Event,
    EventPage,
    ExperimentDetail,
    ExperimentPage,
    ExperimentSummary,
    SeriesOfExperiment,
    Submission,
    Submitted,
)
from api.settings import Settings
from api.store import Store
from heron_ray.spec import parse_spec

# Event numbers and limits stay within what every database can bind.
MAX_CURSOR = 2**31 - 1


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {code: {"description": "A problem document.", "content": schema} for code in statuses}


def _store(request: Request) -> Store:
    store = request.app.state.store
    assert isinstance(store, Store)  # noqa: S101 - tells mypy what create_app put there
    return store


StoreParameter = Annotated[Store, Depends(_store)]
router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=_problems(422))


@router.post("", status_code=status.HTTP_201_CREATED, responses=_problems(400, 413, 415))
def submit(
    submission: Annotated[Submission, Body(examples=[example_submission()])], response: Response, store: StoreParameter
) -> Submitted:
    """Submit an experiment. It is in the database before the answer leaves; `Location` says where to follow it."""
    record = store.submit(parse_spec(submission.spec), submission.tags)
    response.headers["Location"] = f"{router.prefix}/{record.id}"
    return Submitted(id=record.id, state=record.state, spec_hash=record.spec_hash)


@router.get("", responses=_problems(404))
def list_experiments(
    store: StoreParameter,
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
    before: Annotated[str | None, Query(description="The `next` of the page before: only older experiments.")] = None,
    state: Annotated[list[State] | None, Query(description="Only these states; may be repeated.")] = None,
    tag: Annotated[str | None, Query(description="Only those with this tag.")] = None,
) -> ExperimentPage:
    """List experiments, newest first."""
    records = store.list(limit=limit + 1, before=before, states=state or (), tag=tag)
    page = records[:limit]
    more = len(records) > limit
    return ExperimentPage(experiments=[ExperimentSummary.of(record) for record in page], next=page[-1].id if more else None)


@router.get("/{id}", responses=_problems(404))
def show(id: str, store: StoreParameter) -> ExperimentDetail:
    """Show one experiment: where it stands, why, its attempts, its spec and, once ended, its result."""
    return ExperimentDetail.describe(store.get(id), store.attempts(id))


@router.get("/{id}/series", responses=_problems(404))
def series(id: str, store: StoreParameter) -> SeriesOfExperiment:
    """Get every metric's curve so far."""
    return SeriesOfExperiment.model_validate({"series": store.series(id)})


@router.get(
    "/{id}/events",
    response_model=EventPage,
    responses={
        **_problems(404),
        200: {"content": {"text/event-stream": {}}, "description": "A page of events, or the stream of them."},
        204: {"description": "A stream was resumed of which nothing is left: the experiment has ended."},
    },
)
def events(
    id: str,
    request: Request,
    store: StoreParameter,
    after: Annotated[int, Query(ge=0, le=MAX_CURSOR, description="Only events with a greater number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most this many; a stream has no limit.")] = 200,
    accept: Annotated[str, Header(description="text/event-stream for a live stream.")] = "application/json",
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_CURSOR, description="Sent by a stream's client that reconnects; goes before `after`.")
    ] = None,
) -> EventPage | StreamingResponse | Response:
    """Get what happened, in order: as JSON, or as server-sent events that end when the experiment has ended."""
    if "text/event-stream" not in accept.lower():
        found = store.events(id, after=after, limit=limit)
        return EventPage(events=[Event.model_validate(event) for event in found], next=found[-1].id if found else after)
    settings = request.app.state.settings
    assert isinstance(settings, Settings)  # noqa: S101 - tells mypy what create_app put there
    start = after if last_event_id is None else last_event_id
    over = is_over(store, id, after=start)
    if over and last_event_id is not None:
        # A browser reconnects whenever a stream ends; 204 is how it is told to stop.
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventSourceResponse(event_stream(store, id, after=start, settings=settings), headers=headers)


@router.post("/{id}/cancel", responses=_problems(404, 409))
def cancel(id: str, store: StoreParameter) -> ExperimentDetail:
    """Cancel: at once while it is queued, else at the end of its round (CANCELLING until then)."""
    return ExperimentDetail.describe(store.request_cancel(id), store.attempts(id))
