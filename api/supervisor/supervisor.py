"""`Supervisor`: the loop of `heron serve`."""

from __future__ import annotations

import http.client
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from api.store import Store
from api.supervisor.child import Child
from api.supervisor.listener import listen, url_of
from api.supervisor.processes import kill_marked
from api.supervisor.ray_head import RayHead, remove_ray_directory
from api.supervisor.settings import ServiceSettings
from api.supervisor.state_directory import StateDirectory
from heron_ray.errors import ServiceError

LOG = logging.getLogger(__name__)

TICK_S = 0.1
CLOSE_S = 8.0
GIVE_UP_AFTER = 4
DATABASE_VARIABLE = "HERON_DATABASE"


class Supervisor:
    """Owns a state directory, a listening socket, and every process of one service.

    Example:
        >>> from pathlib import Path
        >>> supervisor = Supervisor(ServiceSettings(state_dir=Path("/tmp/heron-example"), port=0))
    """

    def __init__(self, settings: ServiceSettings) -> None:
        """Nothing is started before `run`."""
        self._settings = settings
        self._directory = StateDirectory(settings.state_dir)
        self._mark = secrets.token_hex(16)
        self._stopping = threading.Event()
        self._ray = None if settings.ray_address else RayHead(mark=self._mark, logs=self._directory.logs)
        self._api = Child("api", mark=self._mark, log=self._directory.logs / "api.log")
        self._dispatcher = Child("dispatcher", mark=self._mark, log=self._directory.logs / "dispatcher.log")
        self._published: dict[str, Any] = {}

    def run(self, on_ready: Callable[[Mapping[str, Any]], None]) -> None:
        """Serve until SIGINT or SIGTERM; then end everything that was started, and nothing else.

        Args:
            on_ready: Called once with what `service.json` says, when the API answers.

        Raises:
            ConflictError: Another service owns the state directory.
            ListenError: The address cannot be listened on.
            DatabaseError: The database cannot be opened as it is.
            ServiceError: A part of the service cannot be started.
        """
        with self._directory.lock():
            self._end_leftovers()
            with listen(self._settings.host, self._settings.port, has_keys=self._has_keys) as listener:
                self._prepare_database()
                self._stop_on_signals()
                self._publish(listener)
                guardian = self._start_guardian()
                try:
                    self._serve(listener, on_ready)
                finally:
                    self._end(guardian)

    def _prepare_database(self) -> None:
        """Create or upgrade it."""
        Store.open(self._settings.database_url).close()

    def _has_keys(self) -> bool:
        """Whether an API key lets somebody in."""
        store = Store.open(self._settings.database_url)
        try:
            return store.keys.any_valid()
        finally:
            store.close()

    def _serve(self, listener: socket.socket, on_ready: Callable[[Mapping[str, Any]], None]) -> None:
        ready = False
        while not self._stopping.wait(TICK_S):
            self._keep_up_api(listener)
            self._keep_up_ray()
            self._keep_up_dispatcher()
            self._publish(listener)
            if not ready and self._api.pid is not None and _answers(self._published["url"]):
                ready = True
                on_ready(self._published)
            self._give_up_if_hopeless(ready)

    def _keep_up_api(self, listener: socket.socket) -> None:
        self._api.has_died()
        if self._api.is_due():
            fd = listener.fileno()
            arguments = ["api.supervisor.api_process", f"--fd={fd}", f"--log-format={self._settings.log_format}"]
            arguments += [f"--artifacts={self._directory.artifacts}", *self._settings.access.arguments()]
            self._api.start(arguments, self._database_environment(), pass_fds=[fd])

    def _keep_up_ray(self) -> None:
        """A dispatcher cannot outlive the Ray it is connected to, and has nothing left to hand back in order."""
        ray = self._ray
        if ray is None:
            return
        if ray.child.has_died():
            self._dispatcher.end(within_s=0.0)
            ray.clean_up()
        if ray.child.is_due():
            ray.start()

    def _keep_up_dispatcher(self) -> None:
        self._dispatcher.has_died()
        address = self._ray.address if self._ray else self._settings.ray_address
        if address is None or not self._dispatcher.is_due():
            return
        self._dispatcher.start(
            [
                "api.dispatcher",
                f"--ray-address={address}",
                f"--owner={self._directory.identity()}",
                f"--checkpoints={self._directory.checkpoints}",
                f"--artifacts={self._directory.artifacts}",
                f"--concurrency={self._settings.concurrency}",
                f"--log-format={self._settings.log_format}",
            ],
            {**self._database_environment(), **(self._ray.environment if self._ray else {})},
        )

    def _give_up_if_hopeless(self, ready: bool) -> None:
        """At the start a part that fails again and again has a cause that restarting will not cure."""
        children = [self._api, self._dispatcher] + ([self._ray.child] if self._ray else [])
        failed = next((child for child in children if child.failures >= GIVE_UP_AFTER), None)
        if not ready and failed is not None:
            raise ServiceError(
                f"the service cannot be started: its {failed.part} ended {failed.failures} times",
                hint=f"see {self._directory.logs / failed.part}.log",
            )

    def _database_environment(self) -> dict[str, str]:
        return {DATABASE_VARIABLE: self._settings.database_url}

    def _publish(self, listener: socket.socket) -> None:
        """Write service.json whenever what it says has changed; the mark in it finds leftovers after a crash."""
        current = {
            "url": url_of(listener),
            "state_dir": str(self._directory.path),
            "database": _without_password(self._settings.database_url),
            "mark": self._mark,
            "ray_address": self._ray.address if self._ray else self._settings.ray_address,
            "ray_directory": str(self._ray.directory) if self._ray and self._ray.directory else None,
            "pids": {
                "supervisor": os.getpid(),
                "api": self._api.pid,
                "dispatcher": self._dispatcher.pid,
                "ray": self._ray.child.pid if self._ray else None,
            },
        }
        if current != self._published:
            self._directory.write_service(current)
            self._directory.write_targets(self._metrics_targets(url_of(listener)))
            self._published = current

    def _metrics_targets(self, url: str) -> dict[str, str]:
        """Who tells Prometheus what: the API of the service and its database, its own Ray of machine, tasks and actors."""
        targets = {"heron-ray": urlsplit(url).netloc}
        if self._ray is not None and self._ray.address is not None and self._ray.metrics_port is not None:
            targets["ray"] = f"127.0.0.1:{self._ray.metrics_port}"
        return targets

    def _end_leftovers(self) -> None:
        """A supervisor that was killed could not clean up."""
        former = self._directory.read_service()
        if isinstance(former.get("mark"), str):
            kill_marked(former["mark"])
        if isinstance(former.get("ray_directory"), str):
            remove_ray_directory(Path(former["ray_directory"]))

    def _start_guardian(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "api.supervisor.guardian", self._mark],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _end(self, guardian: subprocess.Popen[bytes]) -> None:
        """Politely to those that have something to finish, at once to the rest."""
        deadline = time.monotonic() + CLOSE_S
        for child in (self._api, self._dispatcher):
            child.ask_to_end()
        for child in (self._api, self._dispatcher):
            child.end(within_s=deadline - time.monotonic())
        if self._ray:
            self._ray.clean_up()
            self._ray.child.end(within_s=0.0)
        if remaining := kill_marked(self._mark):
            LOG.error("%d processes could not be ended", remaining)
        if guardian.stdin is not None:
            guardian.stdin.close()
        guardian.wait()
        self._directory.remove_service()

    def _stop_on_signals(self) -> None:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            self._stopping.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":***@", 1) if parts.password else url
