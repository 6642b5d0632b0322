"""The route of logs: what the drivers of an experiment had to say, attempt by attempt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.domain.artifacts import LOG, attempt_folder
from api.domain.states import TERMINAL
from api.routes.artifacts import artifacts_folder
from api.routes.artifacts_wire import LogPage
from api.routes.events import MAX_CURSOR
from api.routes.experiments import StoreParameter
from api.routes.problems import refusals
from heron_ray.errors import NotFoundError

PAGE_BYTES = 64 * 1024

router = APIRouter(prefix="/v1/experiments", tags=["artifacts"], responses=refusals(422))


@router.get("/{id}/logs", responses=refusals(404))
def read_log(
    id: str,
    request: Request,
    store: StoreParameter,
    attempt: Annotated[int | None, Query(ge=1, le=MAX_CURSOR, description="Which attempt; without it, the newest.")] = None,
    after: Annotated[int, Query(ge=0, le=MAX_CURSOR, description="Only what follows: the `next` of the page before.")] = 0,
) -> LogPage:
    """Get what the driver of an attempt logged, up to 64 KiB at a time: the traceback of an unexpected error, for one."""
    attempts = store.attempts(id)
    number = attempts[-1].number if attempts and attempt is None else attempt
    if number is None:
        return LogPage(attempt=0, text="", next=after, complete=store.get(id).state in TERMINAL)
    chosen = next((one for one in attempts if one.number == number), None)
    if chosen is None:
        raise NotFoundError(f"experiment {id} has no attempt {attempt}", hint=f"it has {len(attempts)}, counted from 1")
    # Read after the attempt was looked at: of one that had ended then, all there is.
    file = attempt_folder(artifacts_folder(request), id, number) / LOG
    piece = _read(file, after)
    following = after + len(piece)
    complete = chosen.ended_at is not None and not _read(file, following)
    return LogPage(attempt=number, text=piece.decode(errors="replace"), next=following, complete=complete)


def _read(file: Path, after: int) -> bytes:
    """Up to a page from an offset on, cut after its last line where there is one."""
    try:
        with file.open("rb") as log:
            log.seek(after)
            piece = log.read(PAGE_BYTES)
    except FileNotFoundError:
        return b""
    end = piece.rfind(b"\n") + 1
    return piece[:end] if end and len(piece) == PAGE_BYTES else piece
