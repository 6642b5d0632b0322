"""`Frame`: what every answer has around it: a request id, headers that browsers obey, and an answer where a route failed."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.routes.problems import unexpected_problem

LOG = logging.getLogger(__name__)

REQUEST_ID = "X-Request-Id"
# What a client may call its request: nothing that could be taken for another line of a log.
SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
# A route that needs something else says so itself.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)


class Frame:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the request, and put the headers on its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if SANE_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        has_begun = False

        async def framed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except Exception:
            LOG.exception("request %s: %s %s failed", request_id, scope["method"], scope["path"])
            if has_begun:
                raise
            await unexpected_problem(Request(scope))(scope, receive, framed)
