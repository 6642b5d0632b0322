"""`AttemptLog`: what a driver has to say about one attempt, in a file for people.

It takes what is logged in the process, and `LoggedEvents` those of the run's own events that explain how it went. The file is
bounded, and secrets of the environment are left out.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from heron_ray.simulation.events import Event

LOG = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FULL = "(the log is full: nothing more of this attempt is kept)\n"
# Loggers that say at INFO how a run goes. Others are heard from WARNING on.
TALKATIVE = ("api", "heron_ray")
SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY|CREDENTIAL|DATABASE", re.IGNORECASE)
SHORTEST_SECRET = 6
PASSWORD_IN_URL = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")


class AttemptLog(logging.Handler):
    """Use it in `with`, in the process that runs the attempt.

    A log that cannot be written never fails a run.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, environment: Mapping[str, str] = os.environ) -> None:
        """Append to `path` up to `max_bytes`, without the values of variables that name secrets."""
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(TEXT))
        self._path = path
        self._room = max_bytes
        self._secrets = [
            value for name, value in environment.items() if SECRET_NAMES.search(name) and len(value) >= SHORTEST_SECRET
        ]
        self._levels: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Begin to listen."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._room -= self._path.stat().st_size if self._path.exists() else 0
        except OSError as error:
            LOG.warning("no log of this attempt is kept: %s", error)
            self._room = 0
            return self
        logging.getLogger().addHandler(self)
        for name in TALKATIVE:
            self._levels[name] = logging.getLogger(name).level
            logging.getLogger(name).setLevel(logging.INFO)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop listening."""
        logging.getLogger().removeHandler(self)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, a traceback included."""
        self._write(self.format(record) + "\n")

    def _write(self, text: str) -> None:
        line = self._without_secrets(text).encode(errors="replace")
        if self._room <= 0:
            return
        if len(line) > self._room:
            line, self._room = FULL.encode(), 0
        self._room -= len(line)
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError:
            # A full disk: the run itself says so where it matters.
            self._room = 0

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return PASSWORD_IN_URL.sub(r"\1***@", text)


class LoggedEvents:
    """A sink that logs where a run starts and which checkpoints it could not use."""

    def emit(self, event: Event) -> None:
        """Log one event, if it is one of those."""
        told = event.to_dict()
        if event.kind == "checkpoint_rejected":
            LOG.warning("checkpoint %s is not used: %s", told["path"], told["message"])
        elif event.kind == "started":
            LOG.info("the run starts after round %d of %d", told["after_round"], told["rounds"])
