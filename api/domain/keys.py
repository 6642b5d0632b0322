"""API keys: what one looks like, and what is kept of it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from api.domain.access import Scope
from heron_ray.errors import ForbiddenError

PREFIX = "heron_"
RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One API key. The key itself is in nobody's keeping but its owner's.

    Attributes:
        id: Names the key in lists and as `submitted_by`; it lets nobody in.
        last_used_at: To the minute; None: never.
        revoked_at: From then on it lets nobody in; None: it does.
    """

    id: str
    name: str
    scope: Scope
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def require(self, needed: Scope) -> None:
        """Let it do what needs a scope. Raises ForbiddenError."""
        if not self.scope.includes(needed):
            raise ForbiddenError(
                f"API key {self.id} ({self.name}) has the scope {self.scope}, and this needs {needed}",
                hint=f"heron key create --scope {needed} makes one that may",
            )


def new_key() -> str:
    """A key that cannot be guessed: 256 random bits, in characters that need no quotes in a shell or a header."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def hash_of(key: str) -> str:
    """SHA-256 in hexadecimal. A key is random all over, so no salt and no slow hash would make it harder to find."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
