"""`Child`: one process of the service, started again when it dies."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from api.supervisor.processes import marked_environment

LOG = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
# One that ran this long was fine: its next start is not held back.
STEADY_S = 60.0
LOG_BYTES = 10 * 1024 * 1024


class Child:
    """A Python module run as a process.

    It gets a session of its own, so that the terminal's Ctrl-C reaches the supervisor alone.
    """

    def __init__(self, part: str, *, mark: str, log: Path) -> None:
        """Name the part; its output is appended to `log`."""
        self.part = part
        self.failures = 0
        self._mark = mark
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_after = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id, while it lives."""
        return self._process.pid if self._process is not None else None

    def is_due(self) -> bool:
        """Whether it is down and its pause is over."""
        return self._process is None and time.monotonic() >= self._start_after

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], *, pass_fds: Sequence[int] = ()) -> None:
        """Run `python -m` with these arguments."""
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=marked_environment(self._mark, self.part, environment),
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
        self._started_at = time.monotonic()

    def has_died(self) -> bool:
        """Whether it ended since the last look; if so, its next start is put off, longer each time."""
        if self._process is None or self._process.poll() is None:
            return False
        steady = time.monotonic() - self._started_at > STEADY_S
        self.failures = 1 if steady else self.failures + 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self.failures - 1))
        LOG.warning(
            "%s ended with code %s; starting it again in %.2g s (log: %s)",
            self.part, self._process.returncode, pause_s, self._log,
        )  # fmt: skip
        self._process = None
        self._start_after = time.monotonic() + pause_s
        return True

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, *, within_s: float) -> None:
        """Wait for its end, and kill it when that takes longer."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=max(0.0, within_s))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
