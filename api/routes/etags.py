"""Entity tags of experiments: `"<revision>-<digest>"`.

The digest is over everything that can change about an experiment, so a copy with the same tag is up to date. The revision
counts edits alone, and `If-Match` compares nothing else: rounds that finish while somebody edits tags must not get in the way.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields

from api.domain.records import ExperimentRecord
from heron_ray.errors import MissingRevisionError

_FIXED = {"spec"}
_TAG = re.compile(r'"(\d{1,10})(-[0-9a-f]+)?"')


def entity_tag(record: ExperimentRecord) -> str:
    """The tag of an experiment as it stands."""
    values = [getattr(record, field.name) for field in fields(record) if field.name not in _FIXED]
    return f'"{record.revision}-{hashlib.sha256(repr(values).encode()).hexdigest()[:16]}"'


def revision_of(if_match: str | None, id: str) -> int | None:
    """The revision that `If-Match` asks for; None for `*`, which takes any; 0, which none has, for what is no tag of ours.

    Raises:
        MissingRevisionError: There is none.
    """
    if if_match is None:
        hint = "send the ETag that GET answered with as If-Match, or If-Match: *"
        raise MissingRevisionError(f"an edit of experiment {id} must say which revision it edits", hint=hint)
    if if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    return int(found[1]) if found else 0


def is_current(if_none_match: str | None, tag: str) -> bool:
    """Whether the sender of `If-None-Match` has what the tag stands for."""
    offered = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return tag in offered or offered == ["*"]
