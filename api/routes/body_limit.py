"""Refuses request bodies over a limit.

FastAPI's own `max_body_size` answers in plain text; here every error is a problem document.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.routes.problems import RefusedBodyError

# A client that is still sending may never read the answer, so this many times the limit is read and thrown away first.
DRAIN_FACTOR = 8


class BodyLimit:
    """ASGI middleware that raises 413 in whoever reads a body of more than `max_bytes`."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Wrap `app`."""
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of a body as they are read."""
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size <= self._max_bytes:
                return message
            while message.get("more_body", False) and size <= DRAIN_FACTOR * self._max_bytes:
                message = await receive()
                size += len(message.get("body", b""))
            detail = f"the body is larger than the {self._max_bytes} bytes allowed"
            raise RefusedBodyError(413, "body_too_large", detail)

        await self._app(scope, counted if scope["type"] == "http" else receive, send)
