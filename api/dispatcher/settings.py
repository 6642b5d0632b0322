"""What can be set about the dispatcher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSettings:
    """Where the dispatcher works, and its pace.

    Attributes:
        owner: Names the service in leases and is its Ray namespace; the same over restarts, unlike any other service's.
        checkpoints: Holds a folder of checkpoints per experiment; every node that may hold a driver must see it.
        artifacts: Holds a folder per experiment with what it left behind and its logs; seen by the same nodes, and by the API.
        concurrency: Experiments that run at the same time.
        max_attempts: An experiment whose attempts were lost this often is FAILED `retries_exhausted`.
        lease_s: An attempt whose lease was not renewed for this long is lost.
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
    lease_s: float = 30.0
    poll_s: float = 0.15
    batch: int = 500
    cancel_s: float = 60.0
    call_s: float = 10.0
    silence_s: float = 120.0
