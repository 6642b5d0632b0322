"""Routes of artifacts: what an experiment left behind, as a list and as files."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

from fastapi import APIRouter, Header, Request, Response, status
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse

from api.domain.artifacts import ArtifactRecord, attempt_folder
from api.routes.artifacts_wire import Artifact, Artifacts
from api.routes.byte_ranges import wanted_part
from api.routes.experiments import StoreParameter
from api.routes.problems import problem_response, refusals
from api.settings import Settings
from heron_ray.errors import ArtifactError, NotFoundError

PIECE_BYTES = 256 * 1024
FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

router = APIRouter(prefix="/v1/experiments", tags=["artifacts"], responses=refusals(422))


@router.get("/{id}/artifacts", responses=refusals(404))
def list_artifacts(id: str, store: StoreParameter) -> Artifacts:
    """List the files that an experiment left behind when it ended: model, spec, result, and the checkpoint to fork it from."""
    return Artifacts(artifacts=[Artifact.model_validate(record) for record in store.artifacts.of(id)])


@router.get(
    "/{id}/artifacts/{name:path}",
    response_class=StreamingResponse,
    responses={
        **refusals(404, 410, 416),
        200: {"content": FILE, "description": "The file; its digest is in `Repr-Digest` and `Content-Digest` (RFC 9530)."},
        206: {"content": FILE, "description": "The part of it that `Range` asked for."},
        304: {"description": "`If-None-Match` names it."},
    },
)
def download_artifact(
    id: str,
    name: Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9._/-]{1,200}$", description="As the list names it.")],
    request: Request,
    store: StoreParameter,
    wanted: Annotated[str | None, Header(alias="Range", description="One range of bytes, such as `bytes=1000-`.")] = None,
    if_range: Annotated[str | None, Header(description="The range holds for this ETag; for another the whole is sent.")] = None,
    if_none_match: Annotated[str | None, Header(description="The ETag of what you have: 304 where that is it.")] = None,
) -> Response:
    """Download one file, or a part of it. Its ETag is its SHA-256."""
    record, attempt = store.artifacts.find(id, name)
    etag = f'"{record.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Repr-Digest": _digest(record.sha256),
        "Content-Disposition": f'attachment; filename="{Path(name).name}"',
        "X-Content-Type-Options": "nosniff",
        # It never changes, but may be deleted.
        "Cache-Control": "private, no-cache",
    }
    if if_none_match is not None and etag in [tag.strip() for tag in if_none_match.split(",")]:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    part = wanted_part(wanted if if_range in (None, etag) else None, record.size_bytes)
    if part is None:
        detail = f"the range {wanted} lies outside the {record.size_bytes} bytes of {name}"
        size = {"Content-Range": f"bytes */{record.size_bytes}"}
        return problem_response(request, 416, "range_not_satisfiable", detail, headers=size)
    file = _open(attempt_folder(artifacts_folder(request), id, attempt) / name, record)
    headers["Content-Length"] = str(len(part))
    code = status.HTTP_200_OK
    if len(part) < record.size_bytes:
        code = status.HTTP_206_PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{record.size_bytes}"
    else:
        # Of what is sent; a part's own digest would have to be computed before its first byte leaves.
        headers["Content-Digest"] = _digest(record.sha256)
    return StreamingResponse(_pieces(file, part), code, headers, media_type="application/octet-stream")


def artifacts_folder(request: Request) -> Path:
    """Where artifacts and logs lie. Raises NotFoundError where this API was not told."""
    settings = request.app.state.settings
    assert isinstance(settings, Settings)  # noqa: S101 - tells mypy what create_app put there
    if settings.artifacts is None:
        raise NotFoundError(
            "this API was started without a folder of artifacts", hint="start it with --artifacts, as the dispatcher"
        )
    return settings.artifacts


def _open(path: Path, record: ArtifactRecord) -> IO[bytes]:
    """The file, open, so that it can be sent whole whatever becomes of its name meanwhile."""
    hint = "someone removed or changed it by hand; retry the experiment to make it again"
    try:
        file = path.open("rb")
    except OSError as error:
        raise ArtifactError(f"the file of artifact {record.name} cannot be read: {error.strerror}", hint=hint) from None
    size = os.fstat(file.fileno()).st_size
    if size != record.size_bytes:
        file.close()
        raise ArtifactError(
            f"artifact {record.name} has {size} bytes and not the {record.size_bytes} it was written with", hint=hint
        )
    return file


def _pieces(file: IO[bytes], part: range) -> Iterator[bytes]:
    with file:
        file.seek(part.start)
        remaining = len(part)
        while remaining and (piece := file.read(min(PIECE_BYTES, remaining))):
            remaining -= len(piece)
            yield piece


def _digest(sha256: str) -> str:
    """As RFC 9530 writes it."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
