"""Routes of one experiment: submit, look, edit, cancel, retry, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Request, Response, status
from fastapi.responses import JSONResponse

from api.domain.keys import KeyRecord
from api.domain.policy import Policy
from api.domain.records import ExperimentRecord
from api.routes.etags import entity_tag, is_current, revision_of
from api.routes.examples import example_submission
from api.routes.experiments_wire import Edit, example_edit
from api.routes.policy_wire import plain
from api.routes.problems import refusals
from api.routes.wire import ExperimentDetail, Submission, Submitted
from api.settings import Settings
from api.store import Store
from heron_ray.spec import parse_spec


# Coroutines, because FastAPI sends plain functions to a thread, and that takes longer than they do.
async def _store(request: Request) -> Store:
    store = request.app.state.store
    assert isinstance(store, Store)  # noqa: S101 - tells mypy what create_app put there
    return store


async def _caller_key(request: Request) -> KeyRecord | None:
    key = request.state.caller
    assert key is None or isinstance(key, KeyRecord)  # noqa: S101 - tells mypy what the gate put there
    return key


async def _caller(request: Request) -> str | None:
    key = await _caller_key(request)
    return None if key is None else key.id


async def _policy(request: Request) -> Policy:
    settings = request.app.state.settings
    assert isinstance(settings, Settings)  # noqa: S101 - tells mypy what create_app put there
    return settings.policy


StoreParameter = Annotated[Store, Depends(_store)]
# The API key that let the request in, and its id; None where it needed none.
CallerKeyParameter = Annotated[KeyRecord | None, Depends(_caller_key)]
CallerParameter = Annotated[str | None, Depends(_caller)]
PolicyParameter = Annotated[Policy, Depends(_policy)]
KeyParameter = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Up to 200 visible characters of your choice. Used again for the same, it finds what was made first.",
    ),
]
SAME: dict[int | str, dict[str, Any]] = {200: {"model": Submitted, "description": "The key was used before, for the same."}}
TAGGED: dict[str, Any] = {"headers": {"ETag": {"schema": {"type": "string"}}}}
router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=refusals(422))


@router.post(
    "", status_code=status.HTTP_201_CREATED, response_model=Submitted, responses={**refusals(400, 409, 413, 415), **SAME}
)
def submit_experiment(
    submission: Annotated[Submission, Body(examples=[example_submission()])],
    store: StoreParameter,
    policy: PolicyParameter,
    caller: CallerParameter,
    key: KeyParameter = None,
) -> Response:
    """Submit an experiment. It is in the database before the answer leaves; `Location` says where to follow it."""
    spec = parse_spec(submission.spec)
    policy.require(spec)
    more: dict[str, Any] = {
        "retry": plain(submission.retry),
        "resources": plain(submission.resources),
        "submitted_by": caller,
    }
    if key is None:
        return submitted(store.submit(spec, submission.tags, **more), is_new=True)
    record, is_new = store.submit_once(spec, submission.tags, key=key, **more)
    return submitted(record, is_new=is_new)


@router.get("/{id}", response_model=ExperimentDetail, responses={**refusals(404), 304: {"description": "Nothing changed."}})
def show_experiment(
    id: str,
    store: StoreParameter,
    if_none_match: Annotated[str | None, Header(description="The ETag of the copy you have.")] = None,
) -> Response:
    """Show one experiment: where it stands, why, its attempts, its spec and, once ended, its result."""
    record = store.get(id)
    if is_current(if_none_match, entity_tag(record)):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers={"ETag": entity_tag(record)})
    return described(record, store)


@router.post("/{id}/cancel", response_model=ExperimentDetail, responses=refusals(404, 409))
def cancel_experiment(id: str, store: StoreParameter) -> Response:
    """Cancel: at once while it is queued, else at the end of its round (CANCELLING until then)."""
    return described(store.request_cancel(id), store)


@router.post(
    "/{id}/retry", status_code=status.HTTP_201_CREATED, response_model=Submitted, responses={**refusals(404, 409), **SAME}
)
def retry_experiment(
    id: str, store: StoreParameter, policy: PolicyParameter, caller: CallerParameter, key: KeyParameter = None
) -> Response:
    """Submit an ended experiment again: the same spec and tags as a new experiment, whose `retried_from` names it."""
    policy.require(parse_spec(store.get(id).spec))
    record, is_new = store.retry(id, key=key, submitted_by=caller)
    return submitted(record, is_new=is_new)


@router.patch("/{id}", response_model=ExperimentDetail, responses={**refusals(400, 404, 409, 412, 413, 415, 428), 200: TAGGED})
def edit_experiment(
    id: str,
    edit: Annotated[Edit, Body(examples=[example_edit()])],
    store: StoreParameter,
    if_match: Annotated[
        str | None, Header(description="The ETag of what you edit, or *; an edit without it is refused.", examples=["*"])
    ] = None,
) -> Response:
    """Edit tags and archive, as a merge patch. Edits alone count for `If-Match`, not rounds that finished meanwhile."""
    revision = revision_of(if_match, id)
    changes: dict[str, Any] = {name: getattr(edit, name) for name in edit.model_fields_set}
    return described(store.edits.edit(id, **changes, revision=revision), store)


@router.delete("/{id}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404, 409))
def delete_experiment(id: str, store: StoreParameter) -> None:
    """Delete an ended experiment with its events and curves. It cannot be undone."""
    store.delete(id)


def described(record: ExperimentRecord, store: Store) -> Response:
    """Everything about an experiment, with its entity tag."""
    body = ExperimentDetail.describe(record, store.attempts(record.id))
    return JSONResponse(body.model_dump(mode="json"), headers={"ETag": entity_tag(record)})


def submitted(record: ExperimentRecord, *, is_new: bool) -> Response:
    """The answer to whatever made an experiment, or found it made."""
    body = Submitted(id=record.id, state=record.state, spec_hash=record.spec_hash)
    code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    headers = {"Location": f"{router.prefix}/{record.id}", "ETag": entity_tag(record)}
    return JSONResponse(body.model_dump(mode="json"), status_code=code, headers=headers)
