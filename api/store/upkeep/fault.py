"""`Fault`: one thing that a check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it must be.

    Attributes:
        rule: What is broken, as a stable code.
        message: A sentence.
        experiment: The experiment's id; None where it is the database's or a sweep's fault.
    """

    rule: str
    message: str
    experiment: str | None = None
