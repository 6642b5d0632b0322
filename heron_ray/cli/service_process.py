"""A `heron serve` of one's own: a child process that is up inside a `with` block and gone after it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from heron_ray.errors import ServiceError

# The service ends everything it started within about 10 s.
STOP_S = 30.0


class ServiceProcess:
    """Starts a service on a free port and ends it, and with it everything that it started.

    Args:
        state_dir: Where it keeps everything; what it says on stderr goes to `serve.log` there.
        options: More options of `heron serve`.
    """

    def __init__(self, state_dir: Path, options: Sequence[str] = ()) -> None:
        """Nothing is started before `with`."""
        self._state_dir = state_dir
        self._options = options
        self._log = state_dir / "serve.log"
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.database = ""

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ServiceError: It did not start; says why.
        """
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as log:
                self._process = self._start(log.fileno())
        except OSError as error:
            raise ServiceError(f"the service cannot be started in {self._state_dir}: {error}") from None
        try:
            answer = self._first_answer()
        except BaseException:
            self._stop()
            raise
        self.url, self.database = answer["url"], answer["database"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End it."""
        self._stop()

    def wait(self) -> None:
        """Return when it ends."""
        if self._process is not None:
            self._process.wait()

    def _start(self, log: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "heron_ray.cli", "serve", "--port=0", f"--state-dir={self._state_dir}", "--json"]
        command += self._options
        # In a session of its own, so that Ctrl-C reaches only us and experiments can be cancelled before it ends.
        return subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )

    def _first_answer(self) -> dict[str, Any]:
        """What it prints once it answers. It prints an error, or nothing, where it cannot start."""
        assert self._process is not None  # noqa: S101 - started just now
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if "url" in answer:
            return answer
        failure = answer.get("error") or {"message": "it ended at once", "hint": None}
        raise ServiceError(f"the service did not start: {failure['message']}", hint=failure["hint"] or f"see {self._log}")

    def _stop(self) -> None:
        if self._process is None:
            return
        # Leaving Popen's own context closes its pipe and waits.
        with self._process as process:
            if process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    click.echo("stopping the service", err=True)
    # An impatient second Ctrl-C must not leave the service behind.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.terminate()
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        # Its guardian ends what it started.
        process.kill()
    finally:
        signal.signal(signal.SIGINT, before)
