"""Somebody else's Ray on the same machine, which must live through all of it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from api.supervisor.processes import find_marked, kill_marked
from api.supervisor.ray_head import RayHead

START_S: Final = 300.0


class Bystander:
    """A Ray head with a folder, ports and a token of its own, up inside a `with` block.

    Args:
        logs: An existing folder for its log.
    """

    def __init__(self, logs: Path) -> None:
        """Nothing is started before `with`."""
        self._mark = secrets.token_hex(16)
        self._head = RayHead(mark=self._mark, logs=logs)
        self._first: set[tuple[int, float]] = set()

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            RuntimeError: It did not come up.
        """
        # Ends it even if this process is killed.
        command = [sys.executable, "-m", "api.supervisor.guardian", self._mark]
        self._guardian = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self._head.start()
        deadline = time.monotonic() + START_S
        while self._head.address is None:
            if self._head.child.has_died() or time.monotonic() > deadline:
                self._end()
                raise RuntimeError("the Ray of a bystander did not start; see ray.log")
            time.sleep(0.1)
        self._first = self._servers()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End it."""
        self._end()

    def is_unharmed(self) -> bool:
        """Whether the same raylet and the same control store live as in the beginning."""
        return len(self._first) == len(("raylet", "gcs_server")) and self._first == self._servers()

    def _servers(self) -> set[tuple[int, float]]:
        """Process ids with the times of their starts: an id alone may belong to a successor."""
        processes = find_marked(self._mark)
        return {(one.pid, one.create_time()) for one in processes if one.name() in ("raylet", "gcs_server")}

    def _end(self) -> None:
        self._head.clean_up()
        self._head.child.end(within_s=0.0)
        kill_marked(self._mark)
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        self._guardian.wait()
