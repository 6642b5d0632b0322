"""What can be set about the dispatcher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

RENEWALS: Final = 6
"""A lease is renewed this often while it lasts, so five renewals in a row may fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSettings:
    """Where the dispatcher works, and its pace.

    Attributes:
        owner: Names the service in leases and is its Ray namespace; the same over restarts, unlike any other service's.
        checkpoints: Holds a folder of checkpoints per experiment; every node that may hold a driver must see it.
        artifacts: Holds a folder per experiment with what it left behind and its logs; seen by the same nodes, and by the API.
        concurrency: Experiments that run at the same time, at most.
        max_attempts: An experiment that says nothing of retries and was lost this often is FAILED `retries_exhausted`.
        lease_s: An attempt whose lease was not renewed for this long belongs to whoever takes it.
        look_s: How often living attempts are looked through: one whose owner is gone is queued again within
            `lease_s` + `look_s`, 23 s.
        start_s: An attempt whose run has not begun within this time (data loaded, actors up) is lost: `start_timeout`. A
            driver that has not come up within it is replaced.
        overtake_s: An experiment that waits for room may be overtaken by smaller ones for this long.
        poll_s: How long a driver collects events before it hands them over: the latency of a curve.
        batch: Events stored in one transaction, at most.
        cancel_s: A run that was asked to stop and does not within this time is killed.
        call_s: A driver that does not answer a call within this time is asked again.
        silence_s: A driver that answered nothing for this long is killed.
    """

    owner: str
    checkpoints: Path
    artifacts: Path
    concurrency: int = 1
    max_attempts: int = 5
    lease_s: float = 18.0
    look_s: float = 5.0
    start_s: float = 600.0
    overtake_s: float = 300.0
    poll_s: float = 0.15
    batch: int = 500
    cancel_s: float = 60.0
    call_s: float = 10.0
    silence_s: float = 120.0
