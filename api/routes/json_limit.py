"""Refuses JSON that is nested too deeply or holds too many values, before anything builds objects of it."""

from __future__ import annotations

import re

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.routes.problems import RefusedBodyError

# Texts are skipped as a whole: what is in them is no structure. One that does not end is skipped to the end.
TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)

# In JSON, a value comes with a comma, two brackets, a name and a text at most; what has more is none, and not worth the time.
TOKENS_PER_VALUE = 5
# Looking at more takes long enough to keep other requests waiting.
QUICK_BYTES = 64 * 1024


class JsonLimit:
    """ASGI middleware that raises 400 or 413 in whoever reads such a body."""

    def __init__(self, app: ASGIApp, *, max_depth: int, max_values: int) -> None:
        """Wrap `app`."""
        self._app = app
        self._max_depth = max_depth
        self._max_values = max_values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a body of JSON back until all of it has been looked at."""
        is_json = scope["type"] == "http" and "json" in Headers(scope=scope).get("content-type", "").lower()
        await self._app(scope, self._looking(receive) if is_json else receive, send)

    def _looking(self, receive: Receive) -> Receive:
        looked_at = False

        async def looking() -> Message:
            nonlocal looked_at
            if looked_at:
                return await receive()
            looked_at = True
            parts: list[bytes] = []
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    break
            body = b"".join(parts)
            if len(body) <= QUICK_BYTES:
                self._require_small(body)
            else:
                await anyio.to_thread.run_sync(self._require_small, body)
            return {"type": "http.request", "body": body, "more_body": False}

        return looking

    def _require_small(self, body: bytes) -> None:
        depth = 0
        values = 1
        for count, found in enumerate(TOKEN.finditer(body)):
            token = found[0]
            if token in b"[{":
                depth += 1
                values += 1
            elif token in b"]}":
                depth -= 1
            elif token == b",":
                values += 1
            if depth > self._max_depth:
                detail = f"lists and objects lie inside one another more than {self._max_depth} deep"
                raise RefusedBodyError(400, "nested_too_deeply", detail)
            if values > self._max_values or count > TOKENS_PER_VALUE * self._max_values:
                raise RefusedBodyError(413, "body_too_large", f"the body holds more than the {self._max_values} values allowed")
