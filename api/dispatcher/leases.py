"""`LeaseKeeper`: has leases renewed by a process of their own, so that no work in this one ever costs a lease.

A thread would not do: a call into C that holds the interpreter's lock keeps every thread of the process waiting.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from api.dispatcher.settings import RENEWALS
from api.store import Store

LOG = logging.getLogger(__name__)

DATABASE_VARIABLE = "HERON_DATABASE"
LONGEST_PAUSE_S = 1.0


class LeaseKeeper(threading.Thread):
    """Tells the process of leases, again and again, which ones to renew; starts another when it dies."""

    def __init__(self, store: Store, held: Callable[[], Sequence[tuple[int, int]]], *, lease_s: float) -> None:
        """Renew the (attempt id, token) pairs that `held` returns, `RENEWALS` times per lease."""
        super().__init__(name="leases", daemon=True)
        self._url = store.url
        self._held = held
        self._lease_s = lease_s
        self._closing = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """The thread's work."""
        while not self._closing.wait(min(LONGEST_PAUSE_S, self._lease_s / RENEWALS)):
            try:
                self._tell(self._held())
            except OSError as error:
                LOG.warning("the process that renews leases is gone: %s; starting another", error)
                self._end_process()
        self._end_process()

    def close(self) -> None:
        """Stop renewing; the process ends with its input."""
        self._closing.set()
        if self.is_alive():
            self.join()

    def _tell(self, held: Sequence[tuple[int, int]]) -> None:
        if self._process is None or self._process.poll() is not None:
            self._end_process()
            self._process = self._start_process()
        assert self._process.stdin is not None  # noqa: S101 - for mypy
        self._process.stdin.write(json.dumps(held) + "\n")
        self._process.stdin.flush()

    def _start_process(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "api.dispatcher.lease_process", f"--lease-s={self._lease_s}"],
            stdin=subprocess.PIPE,
            text=True,
            # The terminal's Ctrl-C is for the dispatcher, which ends this one in its time.
            start_new_session=True,
            env={**os.environ, DATABASE_VARIABLE: self._url},
        )

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            try:
                process.stdin.close()
            except OSError as error:
                LOG.debug("what it was not told any more: %s", error)
