"""`Gate`: who comes in. In front of every route, so that none can be forgotten.

A program on this machine needs no key; whoever presents one, or comes from elsewhere, is held to it. A browser that signed in
presents its key in a cookie: other sites cannot have it sent (SameSite), and a change that they ask for is refused.
"""

from __future__ import annotations

import math
import time

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from api.domain.access import required_scope
from api.domain.keys import KeyRecord
from api.domain.token_bucket import TokenBuckets
from api.routes.key_ring import KeyRing
from api.routes.peer import has_local_host, is_foreign, is_local, peer_name
from api.routes.problems import heron_problem
from api.settings import Settings
from heron_ray.errors import ForbiddenError, HeronError, TooManyRequestsError, UnauthenticatedError

KEY_HINT = "send Authorization: Bearer KEY; heron key create makes one, heron reads it from HERON_API_KEY or --key-file"
COOKIE = "heron_key"
"""Where a browser that signed in sends its key."""

# Seconds' worth of requests that may come at once.
BURST_S = 2.0


def unknown_key() -> UnauthenticatedError:
    """What a key that is not valid is answered with."""
    return UnauthenticatedError("the API key is not known here, or it was revoked", hint=KEY_HINT)


class Gate:
    """ASGI middleware that answers 401, 403 and 429, and tells the routes by `caller` whose key let a request in."""

    def __init__(self, app: ASGIApp, settings: Settings, keys: KeyRing) -> None:
        """Wrap `app`."""
        self._app = app
        self._keys = keys
        self._require_key = settings.require_key
        rate = settings.rate_limit
        self._buckets = TokenBuckets(rate=rate, burst=max(1.0, BURST_S * rate)) if rate > 0 else None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            key = await self._enter(scope, Headers(scope=scope))
        except HeronError as error:
            await heron_problem(Request(scope), error)(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = key
        await self._app(scope, receive, send)

    async def _enter(self, scope: AsgiScope, headers: Headers) -> KeyRecord | None:
        """The key that lets the request in; None where it needs none. Raises the error to answer with."""
        local = is_local(scope, headers) and not self._require_key
        if local and "authorization" not in headers:
            key = None
        else:
            key = await self._identify(scope, headers)
        if is_foreign(scope, headers):
            raise ForbiddenError(f"a page of {headers['origin']} may not change anything here")
        needed = required_scope(scope["method"], scope["path"])
        if needed is None:
            return key
        if key is not None:
            key.require(needed)
        elif not local:
            if _cookie(headers) is not None:
                raise UnauthenticatedError("the API key that this browser signed in with is not valid any more", hint=KEY_HINT)
            whose = "every request" if self._require_key else "a request that does not come from this machine itself"
            raise UnauthenticatedError(f"{whose} needs an API key here", hint=KEY_HINT)
        elif not has_local_host(headers):
            raise ForbiddenError(
                f"a request without an API key must be addressed to this machine, not to {headers.get('host', 'nobody')!r}",
                hint="use 127.0.0.1 or localhost, or present a key",
            )
        return key

    async def _identify(self, scope: AsgiScope, headers: Headers) -> KeyRecord | None:
        """Whose key is presented, if one is. Keys that are guessed count against the address they come from."""
        name = peer_name(scope)
        presented = headers.getlist("authorization")
        if not presented:
            # One that is not valid any more keeps nobody from the page where the browser signs in anew.
            kept = _cookie(headers)
            found = None if kept is None else await self._keys.find(kept)
            self._count(name if found is None else found.id)
            return found
        key = await self._known(presented, name)
        self._count(key.id)
        return key

    async def _known(self, presented: list[str], peer: str) -> KeyRecord:
        kind, _, secret = presented[0].partition(" ")
        if kind.lower() == "bearer" and len(presented) == 1:
            found = await self._keys.find(secret.strip())
            if found is not None:
                return found
        # Counted after the look, so that others behind the same address cannot keep a valid key out by guessing.
        self._count(peer)
        raise unknown_key()

    def _count(self, caller: str) -> None:
        """One more request. Raises TooManyRequestsError."""
        wait_s = self._buckets.take(caller, now_s=time.monotonic()) if self._buckets is not None else 0.0
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            hint = f"ask again in {seconds} s, and less often"
            raise TooManyRequestsError("more requests than one caller may send", retry_after_s=seconds, hint=hint)


def _cookie(headers: Headers) -> str | None:
    """The key in a browser's cookie, if there is one."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)
