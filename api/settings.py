"""What can be set about the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from api.domain.policy import Policy

# Requests per second of one caller: generous, and yet one caller cannot keep the API busy.
RATE_LIMIT = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and pace of the REST API.

    Attributes:
        artifacts: Folder of what experiments left behind, as the dispatcher was given it; None: none is served.
        max_body_bytes: A request body larger than this is refused with 413.
        max_json_depth: JSON with more lists and objects inside one another is refused with 400.
        max_json_values: JSON with more values than this is refused with 413.
        event_poll_s: How often an open event stream looks for new events.
        keep_alive_s: A silent event stream sends a comment this often, so that proxies keep it open.
        require_key: Whether requests from this machine need an API key too, as all others do.
        key_memory_s: How long a key that was valid is taken to be: a revoked one lets nobody in after this time.
        rate_limit: Requests per second of each key, or of each address without one; 0: no limit. Requests from this
            machine without a key are never limited.
        policy: The largest experiment that may be submitted.
    """

    artifacts: Path | None = None
    max_body_bytes: int = 1024 * 1024
    max_json_depth: int = 64
    max_json_values: int = 50_000
    event_poll_s: float = 0.2
    keep_alive_s: float = 15.0
    require_key: bool = False
    key_memory_s: float = 2.0
    rate_limit: float = RATE_LIMIT
    policy: Policy = field(default_factory=Policy)
