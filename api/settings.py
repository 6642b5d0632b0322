"""What can be set about the API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and pace of the REST API.

    Attributes:
        artifacts: Folder of what experiments left behind, as the dispatcher was given it; None: none is served.
        max_body_bytes: A request body larger than this is refused with 413.
        event_poll_s: How often an open event stream looks for new events.
        keep_alive_s: A silent event stream sends a comment this often, so that proxies keep it open.
    """

    artifacts: Path | None = None
    max_body_bytes: int = 1024 * 1024
    event_poll_s: float = 0.2
    keep_alive_s: float = 15.0
