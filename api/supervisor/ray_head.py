"""`RayHead`: a Ray cluster of the service's own, on this machine's loopback address only."""

from __future__ import annotations

import logging
import random
import secrets
import shutil
import socket
import tempfile
from pathlib import Path

from api.supervisor.child import Child
from api.supervisor.processes import kill_marked

LOG = logging.getLogger(__name__)

PART = "ray"
# Above Ray's worker ports (10002-19999) and below those the system gives to outgoing connections (32768 and up), so that
# nothing takes a port between the look and the use.
PORTS = range(20_000, 32_768)
# A socket's path may have 107 characters. Ray puts sockets up to 65 below its folder, whose own name takes 15.
LONGEST_TEMPORARY_DIR = 107 - 65 - 15


class RayHead:
    """Starts `ray start --head --block` and knows when it is ready.

    Each start has a folder, ports and an access token of its own.
    """

    def __init__(self, *, mark: str, logs: Path) -> None:
        """Nothing is started yet."""
        self.child = Child(PART, mark=mark, log=logs / "ray.log")
        self.directory: Path | None = None
        self._mark = mark
        self._kept_logs = logs / "ray-session"
        self._token = secrets.token_hex(32)
        self.metrics_port: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What Ray and whoever connects to it must have in their environment."""
        return {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            # Nobody reads what Ray tells of every call, and its control store keeps up to a hundred thousand.
            "RAY_task_events_report_interval_ms": "0",
            # Despite its name this means, on every system: one machine, so use the loopback address. Without it Ray listens
            # on the network, where anyone may run code on it; the token keeps other users of this machine out.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self._token,
        }

    def start(self) -> None:
        """Start the head; `address` says when it is ready."""
        self.directory = _short_temporary_directory()
        port, client_port, agent_port, self.metrics_port = _free_ports(4)
        self.child.start(
            [
                "ray.scripts.scripts", "start", "--head", "--block",
                "--node-ip-address=127.0.0.1",
                f"--port={port}",
                f"--ray-client-server-port={client_port}",
                f"--dashboard-agent-listen-port={agent_port}",
                f"--metrics-export-port={self.metrics_port}",
                f"--temp-dir={self.directory}",
                "--include-dashboard=false",
                "--include-log-monitor=false",
                "--no-monitor",
                "--disable-usage-stats",
                "--log-color=false",
            ],
            self.environment,
        )  # fmt: skip

    @property
    def address(self) -> str | None:
        """host:port once everything of it is up; None before."""
        if self.directory is None:
            return None
        try:
            return (self.directory / "ray_current_cluster").read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    def clean_up(self) -> None:
        """End what is left of it, keep its logs, remove its folder."""
        kill_marked(self._mark, PART)
        if self.directory is None:
            return
        for session in self.directory.glob("session_*/logs"):
            if not session.parent.is_symlink():
                shutil.rmtree(self._kept_logs, ignore_errors=True)
                try:
                    shutil.copytree(session, self._kept_logs)
                except OSError as error:
                    LOG.warning("Ray's logs were not kept: %s", error)
        remove_ray_directory(self.directory)
        self.directory = self.metrics_port = None


def remove_ray_directory(directory: Path) -> None:
    """Remove the temporary folder of a Ray head that has ended."""
    shutil.rmtree(directory, ignore_errors=True)


def _short_temporary_directory() -> Path:
    parent = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="heron-", dir=parent if len(parent) <= LONGEST_TEMPORARY_DIR else "/tmp"))  # noqa: S108


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(PORTS, k=len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            break
    return found
