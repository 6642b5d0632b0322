"""Refuses addresses that nothing here can have: PostgreSQL takes no NUL in a text and fails where it is asked for one."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.routes.problems import heron_problem
from heron_ray.errors import RequestError


class RefuseNul:
    """ASGI middleware that answers 422 where a path or a query holds a NUL."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it."""
        if scope["type"] == "http" and (part := _part_with_nul(scope)):
            error = RequestError("it holds the character NUL, which no name has", parameter=part)
            await heron_problem(Request(scope), error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _part_with_nul(scope: Scope) -> str | None:
    """`path`, or the name of a parameter of the query; None where there is no NUL."""
    if "\0" in scope["path"]:
        return "path"
    query = scope["query_string"]
    if b"%00" not in query and b"\0" not in query:
        return None
    values = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return next((name for name, value in values if "\0" in value and "\0" not in name), "query")
