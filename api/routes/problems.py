"""Every error as a problem document (RFC 9457): one shape, with a stable `code` and, where there is one, the way out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from heron_ray.errors import (
    AnswerTooLargeError,
    ArtifactError,
    ConflictError,
    DatabaseError,
    ForbiddenError,
    HeronError,
    MissingRevisionError,
    NotFoundError,
    PolicyError,
    RequestError,
    SpecError,
    SpecIssue,
    StaleAttemptError,
    StaleEditError,
    TooManyRequestsError,
    UnauthenticatedError,
)

LOG = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="heron-ray"'
JSON_HINT = "send the header Content-Type: application/json"


class Issue(BaseModel):
    """One fault in what was sent."""

    path: str = Field(description="Dotted path of the field; empty for the whole.")
    message: str = Field(description="What is wrong with it.")
    suggestion: str | None = Field(default=None, description="The nearest valid name.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="`urn:heron-ray:problem:` and the code.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong, naming the thing.")
    code: str = Field(description="Stable; for programs.")
    hint: str | None = Field(default=None, description="The way out, where one can be said.")
    issues: list[Issue] | None = Field(default=None, description="Every fault found in what was sent.")
    revision: int | None = Field(default=None, description="The current one, where an edit was of another.")
    request_id: str | None = Field(default=None, description="Names the request in the log of the service.")


class RefusedBodyError(HTTPException):
    """What was sent cannot be taken as it is; raised in whoever reads it, where FastAPI lets nothing else through."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        """Keep the code of the problem document."""
        super().__init__(status, detail)
        self.code = code


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: these statuses answer with a problem document."""
    schema = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {code: {"description": "A problem document.", "content": schema} for code in statuses}


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""
    app.add_exception_handler(HeronError, heron_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    hint: str | None = None,
    issues: Sequence[Issue] | None = None,
    revision: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A response of type application/problem+json."""
    found = problem(request, status, code, detail, hint=hint, issues=issues).model_copy(update={"revision": revision})
    content = found.model_dump(exclude={name for name in ("issues", "revision") if getattr(found, name) is None})
    return JSONResponse(content, status, media_type="application/problem+json", headers=headers)


def problem(
    request: Request, status: int, code: str, detail: str, *, hint: str | None = None, issues: Sequence[Issue] | None = None
) -> Problem:
    """A problem document."""
    return Problem(
        type=f"urn:heron-ray:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        issues=None if issues is None else list(issues),
        request_id=request.state.request_id,
    )


def heron_problem(request: Request, error: Exception) -> JSONResponse:
    """The answer to an error of heron-ray's own."""
    if not isinstance(error, HeronError):
        return unexpected_problem(request)
    match error:
        case SpecError() | PolicyError():
            issues = [_issue(issue) for issue in error.issues]
            status = 422 if isinstance(error, SpecError) else 403
            return problem_response(request, status, error.code, error.message, hint=error.hint, issues=issues)
        case UnauthenticatedError():
            challenge = {"WWW-Authenticate": CHALLENGE}
            return problem_response(request, 401, error.code, error.message, hint=error.hint, headers=challenge)
        case ForbiddenError():
            return problem_response(request, 403, error.code, error.message, hint=error.hint)
        case TooManyRequestsError():
            after = {"Retry-After": str(error.retry_after_s)}
            return problem_response(request, 429, error.code, error.message, hint=error.hint, headers=after)
        case RequestError():
            issues = [Issue(path=error.parameter, message=error.message)]
            detail = f"{error.parameter}: {error.message}"
            return problem_response(request, 422, error.code, detail, hint=error.hint, issues=issues)
        case StaleEditError():
            return problem_response(request, 412, error.code, error.message, hint=error.hint, revision=error.revision)
        case MissingRevisionError():
            return problem_response(request, 428, error.code, error.message, hint=error.hint)
        case NotFoundError():
            return problem_response(request, 404, error.code, error.message, hint=error.hint)
        case ArtifactError():
            return problem_response(request, 410, error.code, error.message, hint=error.hint)
        case AnswerTooLargeError():
            return problem_response(request, 422, error.code, error.message, hint=error.hint)
        case ConflictError() | StaleAttemptError():
            return problem_response(request, 409, error.code, error.message, hint=error.hint)
        case DatabaseError():
            LOG.error("request %s: %s %s: %s", request.state.request_id, request.method, request.url.path, error)
            detail = "the database did not do as it was asked; the log of the service says more"
            return problem_response(request, 503, error.code, detail, hint="try again later")
    return problem_response(request, 500, error.code, error.message, hint=error.hint)


def _issue(issue: SpecIssue) -> Issue:
    return Issue(path=issue.path, message=issue.message, suggestion=issue.suggestion)


def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    broken = next((fault for fault in faults if fault["type"] == "json_invalid"), None)
    if broken is not None:
        detail = f"the body is not valid JSON: {broken['ctx']['error']} at character {broken['loc'][-1]}"
        return problem_response(request, 400, "malformed_json", detail)
    in_body = any(fault["loc"][0] == "body" for fault in faults)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if in_body and media_type != "application/json" and not media_type.endswith("+json"):
        detail = f"the body is of type {media_type or '(none given)'}, not application/json"
        return problem_response(request, 415, "unsupported_media_type", detail, hint=JSON_HINT)
    issues = [Issue(path=".".join(str(part) for part in fault["loc"][1:]), message=fault["msg"]) for fault in faults]
    detail = "\n".join(f"{issue.path or '(whole body)'}: {issue.message}" for issue in issues)
    return problem_response(request, 422, "invalid_request", detail, issues=issues)


def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return unexpected_problem(request)
    path = request.url.path
    if isinstance(error, RefusedBodyError):
        return problem_response(request, error.status_code, error.code, str(error.detail))
    match error.status_code:
        case 404:
            return problem_response(
                request, 404, "unknown_route", f"nothing is served at {path}", hint="/docs lists the routes"
            )
        case 405:
            detail = f"{request.method} is not supported at {path}"
            return problem_response(
                request, 405, "method_not_allowed", detail, hint="/docs lists the routes", headers=error.headers
            )
        case 400:
            return problem_response(request, 400, "malformed_json", "the body is not valid JSON")
    return problem_response(request, error.status_code, "http_error", str(error.detail), headers=error.headers)


def unexpected_problem(request: Request) -> JSONResponse:
    """The answer to an error that nobody meant; it tells nothing of the inside."""
    detail = f"{request.method} {request.url.path} failed; the log of the service says more"
    return problem_response(request, 500, "internal_error", detail, hint="if it happens again, report it with that log")
