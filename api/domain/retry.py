"""How often, and for which reasons, an experiment is attempted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SERVICE_STOPPED: Final = "service_stopped"
"""Stops of the service are nobody's failure: they are always made good and use up no attempt."""

INFRASTRUCTURE: Final = ("actor_lost", "driver_lost", "lease_expired", "start_timeout", "stale_attempt")
"""Faults of machines and processes: retried unless the experiment says otherwise."""

OWN: Final = ("checkpoint_not_written", "disk_full", "internal_error", "invalid_checkpoint", "invalid_data", "out_of_memory")
"""Faults that end an experiment, and yet may be gone the next time: retried only where they are listed. A run that diverged
would diverge again with the same bits, so that is not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The column `experiment.retry`, its gaps filled with what the service does by default.

    Attributes:
        max_attempts: Attempts in all; those that a stop of the service ended are not counted.
        reasons: The reasons after which there is another attempt.
    """

    max_attempts: int
    reasons: frozenset[str]

    @classmethod
    def of(cls, given: Mapping[str, Any] | None, *, max_attempts: int) -> RetryPolicy:
        """From the column; `max_attempts` is the service's.

        >>> RetryPolicy.of({"max_attempts": 2, "reasons": ["out_of_memory"]}, max_attempts=5).allows("driver_lost")
        False
        """
        given = given or {}
        reasons = given.get("reasons")
        return cls(
            max_attempts=given.get("max_attempts") or max_attempts,
            reasons=frozenset(INFRASTRUCTURE if reasons is None else reasons),
        )

    def allows(self, reason: str) -> bool:
        """Whether an attempt that ended for this reason may be followed by another."""
        return reason == SERVICE_STOPPED or reason in self.reasons

    def refusal(self, reason: str, message: str, *, attempts: int) -> str | None:
        """Why there is no further attempt after one that ended with `reason`; None where there is one.

        Args:
            reason: Why the attempt ended.
            message: The sentence beside it.
            attempts: Attempts so far that count.
        """
        if not self.allows(reason):
            return f"{reason} is not among the reasons it is attempted again for; the attempt ended so: {message}"
        if reason != SERVICE_STOPPED and attempts >= self.max_attempts:
            return f"gave up after {attempts} attempts; the last one ended with {reason}: {message}"
        return None
