"""The route of an experiment's events: a page, a page that waits for news, or a stream, all by one cursor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from api.domain.states import TERMINAL
from api.routes.experiments import StoreParameter
from api.routes.feeds import Feeds
from api.routes.problems import refusals
from api.routes.stream import event_stream
from api.routes.wire import Event, EventPage
from api.store import Store

# Event numbers stay within what every database can bind.
MAX_CURSOR = 2**31 - 1
LONGEST_WAIT_S = 30.0

router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=refusals(422))


@router.get(
    "/{id}/events",
    response_model=EventPage,
    responses={
        **refusals(404),
        200: {"content": {"text/event-stream": {}}, "description": "A page of events, or the stream of them."},
        204: {"description": "A stream was resumed of which nothing is left: the experiment has ended."},
    },
)
async def list_events(
    id: str,
    request: Request,
    store: StoreParameter,
    after: Annotated[int, Query(ge=0, le=MAX_CURSOR, description="Only events with a greater number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most this many; a stream has no limit.")] = 200,
    wait_s: Annotated[
        float,
        Query(ge=0, le=LONGEST_WAIT_S, description="Where there is none yet, wait so long for one, or for the end."),
    ] = 0,
    accept: Annotated[str, Header(description="text/event-stream for a live stream.")] = "application/json",
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_CURSOR, description="Sent by a stream's client that reconnects; goes before `after`.")
    ] = None,
) -> EventPage | StreamingResponse | Response:
    """Get what happened, in order: as JSON, at once or when there is news, or as a stream that ends with the experiment."""
    feeds = request.app.state.feeds
    assert isinstance(feeds, Feeds)  # noqa: S101 - tells mypy what create_app put there
    if "text/event-stream" not in accept.lower():
        if wait_s > 0:
            await feeds.wait(id, after=after, wait_s=wait_s)
        return await run_in_threadpool(_page, store, id, after, limit)
    start = after if last_event_id is None else last_event_id
    state, newest = await run_in_threadpool(store.position, id)
    if state in TERMINAL and newest <= start and last_event_id is not None:
        # A browser reconnects whenever a stream ends; 204 is how it is told to stop.
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventSourceResponse(event_stream(feeds, id, after=start), headers=headers)


def _page(store: Store, id: str, after: int, limit: int) -> EventPage:
    # The state is read before the events: an end and its event are one transaction, so nothing can follow what is read.
    state, newest = store.position(id)
    found = store.events(id, after=after, limit=limit)
    following = found[-1].id if found else after
    ended = state in TERMINAL and following >= newest
    return EventPage(events=[Event.model_validate(event) for event in found], next=following, ended=ended)
