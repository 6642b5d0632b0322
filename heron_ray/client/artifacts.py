"""What the service says of the files that experiments left behind, and of their logs."""

from __future__ import annotations

from datetime import datetime

from heron_ray.client.document import Document


class Artifact(Document):
    """One file; `sha256` is its digest in hexadecimal digits, `round` the one after which it was made, where there is one."""

    name: str
    kind: str
    size_bytes: int
    sha256: str
    round: int | None
    created_at: datetime


class LogPage(Document):
    """A piece of an attempt's log; `next` is the cursor of what comes after it, `complete` says that nothing will."""

    attempt: int
    text: str
    next: int
    complete: bool
