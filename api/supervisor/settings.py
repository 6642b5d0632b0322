"""What can be set about a service."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from api.domain.policy import Policy
from api.logs import LogFormat
from api.settings import RATE_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """What the API's process is told about its callers; see `api.settings.Settings` for each.

    Example:
        >>> AccessSettings(require_key=True, rate_limit=50.0).arguments()
        ['--require-key', '--rate-limit=50.0']
    """

    require_key: bool = False
    rate_limit: float = RATE_LIMIT
    policy: Policy = field(default_factory=Policy)

    def arguments(self) -> list[str]:
        """For the command line of `api.supervisor.api_process`."""
        found = ["--require-key"] if self.require_key else []
        found.append(f"--rate-limit={self.rate_limit}")
        if self.policy != Policy():
            # As it was read at the start: a restart of the API must not depend on what a file says by then.
            found.append(f"--policy={self.policy.model_dump_json(exclude_defaults=True)}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What `heron serve` is asked to run.

    Attributes:
        state_dir: Everything the service keeps lies here.
        host: A name or address to listen on; one that others can reach needs an API key in the database.
        port: 0 for a free one.
        database: URL; None for SQLite in the state directory.
        ray_address: A Ray cluster to use; None to start one of its own.
        concurrency: Experiments that run at the same time.
        log_format: What a line of the API's and the dispatcher's log looks like.
        access: Who may ask the API, how often, and for how much.
    """

    state_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    database: str | None = None
    ray_address: str | None = None
    concurrency: int = 1
    log_format: LogFormat = LogFormat.TEXT
    access: AccessSettings = field(default_factory=AccessSettings)

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
