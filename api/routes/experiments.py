"""Routes of experiments: submit, list, look, follow, cancel, retry, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response, status
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.sse import EventSourceResponse

from api.domain.records import ExperimentRecord
from api.domain.states import TERMINAL, State
from api.routes.examples import example_submission
from api.routes.feeds import Feeds
from api.routes.problems import refusals
from api.routes.stream import event_stream
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
from api.store import Store
from heron_ray.spec import parse_spec

# Event numbers and limits stay within what every database can bind.
MAX_CURSOR = 2**31 - 1


def _store(request: Request) -> Store:
    store = request.app.state.store
    assert isinstance(store, Store)  # noqa: S101 - tells mypy what create_app put there
    return store


StoreParameter = Annotated[Store, Depends(_store)]
KeyParameter = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Up to 200 visible characters of your choice. Used again for the same, it finds what was made first.",
    ),
]
SAME: dict[int | str, dict[str, Any]] = {200: {"model": Submitted, "description": "The key was used before, for the same."}}
router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=refusals(422))


@router.post(
    "", status_code=status.HTTP_201_CREATED, response_model=Submitted, responses={**refusals(400, 409, 413, 415), **SAME}
)
def submit(
    submission: Annotated[Submission, Body(examples=[example_submission()])], store: StoreParameter, key: KeyParameter = None
) -> Response:
    """Submit an experiment. It is in the database before the answer leaves; `Location` says where to follow it."""
    spec = parse_spec(submission.spec)
    if key is None:
        return submitted(store.submit(spec, submission.tags), is_new=True)
    record, is_new = store.submit_once(spec, submission.tags, key=key)
    return submitted(record, is_new=is_new)


@router.get("", responses=refusals(404))
def list_experiments(
    store: StoreParameter,
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
    before: Annotated[
        str | None, Query(description="The `next` of the page before, or an experiment's id: only older ones.")
    ] = None,
    state: Annotated[list[State] | None, Query(description="Only these states; may be repeated.")] = None,
    tag: Annotated[str | None, Query(description="Only those with this tag.")] = None,
) -> ExperimentPage:
    """List experiments, newest first."""
    records = store.list(limit=limit + 1, before=before, states=state or (), tag=tag)
    page = records[:limit]
    more = len(records) > limit
    # Its number, not its id: the last of a page may be deleted before the next page is asked for.
    last = str(page[-1].number) if more else None
    return ExperimentPage(experiments=[ExperimentSummary.of(record) for record in page], next=last)


@router.get("/{id}", responses=refusals(404))
def show(id: str, store: StoreParameter) -> ExperimentDetail:
    """Show one experiment: where it stands, why, its attempts, its spec and, once ended, its result."""
    return ExperimentDetail.describe(store.get(id), store.attempts(id))


@router.get("/{id}/series", responses=refusals(404))
def series(id: str, store: StoreParameter) -> SeriesOfExperiment:
    """Get every metric's curve so far."""
    return SeriesOfExperiment.model_validate({"series": store.series(id)})


@router.get(
    "/{id}/events",
    response_model=EventPage,
    responses={
        **refusals(404),
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
    start = after if last_event_id is None else last_event_id
    state, newest = store.position(id)
    if state in TERMINAL and newest <= start and last_event_id is not None:
        # A browser reconnects whenever a stream ends; 204 is how it is told to stop.
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    feeds = request.app.state.feeds
    assert isinstance(feeds, Feeds)  # noqa: S101 - tells mypy what create_app put there
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventSourceResponse(event_stream(feeds, id, after=start), headers=headers)


@router.post("/{id}/cancel", responses=refusals(404, 409))
def cancel(id: str, store: StoreParameter) -> ExperimentDetail:
    """Cancel: at once while it is queued, else at the end of its round (CANCELLING until then)."""
    return ExperimentDetail.describe(store.request_cancel(id), store.attempts(id))


@router.post(
    "/{id}/retry", status_code=status.HTTP_201_CREATED, response_model=Submitted, responses={**refusals(404, 409), **SAME}
)
def retry(id: str, store: StoreParameter, key: KeyParameter = None) -> Response:
    """Submit an ended experiment again: the same spec and tags as a new experiment, whose `retried_from` names it."""
    record, is_new = store.retry(id, key=key)
    return submitted(record, is_new=is_new)


@router.delete("/{id}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404, 409))
def delete(id: str, store: StoreParameter) -> None:
    """Delete an ended experiment with its events and curves. It cannot be undone."""
    store.delete(id)


def submitted(record: ExperimentRecord, *, is_new: bool) -> Response:
    """The answer to whatever made an experiment, or found it made."""
    body = Submitted(id=record.id, state=record.state, spec_hash=record.spec_hash)
    code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    headers = {"Location": f"{router.prefix}/{record.id}"}
    return JSONResponse(body.model_dump(mode="json"), status_code=code, headers=headers)
