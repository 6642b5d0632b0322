"""`Finding`: what one look of `heron doctor` came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `heron doctor`.

    Attributes:
        name: What was looked at.
        status: ok; warn where the service runs with a drawback; fail where it does not run.
        message: What was found.
        hint: The way out, unless all is well.
    """

    name: str
    status: Status
    message: str
    hint: str | None = None


def judge(name: str, message: str, *, fail: str | None = None, warn: str | None = None) -> Finding:
    """A finding that fails or warns where there is a hint for it, and is ok where there is none.

    >>> judge("disk", "1 MiB free", fail="free some space").status
    'fail'
    """
    if fail is not None:
        return Finding(name=name, status="fail", message=message, hint=fail)
    if warn is not None:
        return Finding(name=name, status="warn", message=message, hint=warn)
    return Finding(name=name, status="ok", message=message)
