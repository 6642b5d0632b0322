"""Routes of a browser's session: it signs in with an API key, which it then sends in a cookie that no script can read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response, status
from pydantic import BaseModel, Field

from api.domain.access import SESSION
from api.routes.gate import COOKIE, unknown_key
from api.routes.key_ring import KeyRing
from api.routes.problems import refusals

MARK = "heron_signed_in"
"""A cookie that scripts may read: whether there is something to sign out of."""

LASTS_S = 30 * 24 * 3600

router = APIRouter(tags=["service"])


class SignIn(BaseModel):
    """What a browser signs in with."""

    key: str = Field(pattern=r"^[0-9A-Za-z_-]{1,200}$", description="An API key, as `heron key create` printed it.")


@router.post(SESSION, status_code=status.HTTP_204_NO_CONTENT, responses=refusals(400, 413, 415, 422))
async def sign_in(body: Annotated[SignIn, Body(examples=[{"key": "heron_KEY"}])], request: Request, response: Response) -> None:
    """Sign a browser in: from now on, for 30 days, it sends the key with every request of its own pages, in a cookie."""
    keys = request.app.state.keys
    assert isinstance(keys, KeyRing)  # noqa: S101 - tells mypy what create_app put there
    if await keys.find(body.key) is None:
        raise unknown_key()
    is_secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, body.key, max_age=LASTS_S, httponly=True, samesite="strict", secure=is_secure)
    response.set_cookie(MARK, "1", max_age=LASTS_S, samesite="strict", secure=is_secure)


@router.delete(SESSION, status_code=status.HTTP_204_NO_CONTENT)
def sign_out(response: Response) -> None:
    """Sign a browser out: it forgets its key, which stays valid."""
    response.delete_cookie(COOKIE)
    response.delete_cookie(MARK)
