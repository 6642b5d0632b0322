"""What can be set about a service."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from api.logs import LogFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What `heron serve` is asked to run.

    Attributes:
        state_dir: Everything the service keeps lies here.
        host: A loopback name or address to listen on.
        port: 0 for a free one.
        database: URL; None for SQLite in the state directory.
        ray_address: A Ray cluster to use; None to start one of its own.
        concurrency: Experiments that run at the same time.
        log_format: What a line of the API's and the dispatcher's log looks like.
    """

    state_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    database: str | None = None
    ray_address: str | None = None
    concurrency: int = 1
    log_format: LogFormat = LogFormat.TEXT

    @property
    def database_url(self) -> str:
        """The database's URL, the default filled in."""
        return self.database or f"sqlite:///{self.state_dir.absolute() / 'heron.db'}"


def default_state_dir() -> Path:
    """`heron-ray` in the user's state folder (XDG)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "heron-ray"


def default_concurrency() -> int:
    """One experiment per two cores, two at the most: an experiment keeps two client actors busy by default."""
    return max(1, min(2, (os.cpu_count() or 1) // 2))
