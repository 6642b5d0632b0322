"""A real service in a process of its own, and what tests need to look at it and to harm it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from api.supervisor.processes import find_marked
from api.supervisor.state_directory import StateDirectory
from heron_ray.simulation import LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import Event, RoundFinished
from heron_ray.spec import parse_spec

PATIENCE_S = 120.0


def until(condition: Callable[[], Any], what: str, *, within_s: float = PATIENCE_S) -> Any:
    """Look again and again; the condition's first true value. Fails the test with `what` when time runs out."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"waited {within_s:g} s in vain: {what}")


def serve_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "heron_ray.cli", "serve", *arguments]


class Service:
    """`heron serve` on a state directory; may be started again after it ended."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = StateDirectory(state_dir)
        self._log = state_dir.parent / f"{state_dir.name}-serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.mark = ""

    def start(self, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                serve_command("--port", "0", "--state-dir", str(self.directory.path), *arguments),
                stdout=log,
                stderr=log,
                env=environment,
            )
        pid = self._process.pid
        until(lambda: self.about().get("pids", {}).get("supervisor") == pid, "service.json")
        self.url, self.mark = self.about()["url"], self.about()["mark"]
        until(self._answers, f"the service answers; it said: {self._log.read_text()}")

    def about(self) -> dict[str, Any]:
        return self.directory.read_service()

    def stop(self) -> int:
        """Ask it to end as Ctrl-C or a service manager would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def processes(self) -> list[psutil.Process]:
        """Everything it started that lives."""
        return find_marked(self.mark)

    def submit(self, spec: dict[str, Any]) -> str:
        answer = httpx.post(f"{self.url}/v1/experiments", json={"spec": spec}, timeout=30)
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        return id

    def cancel(self, id: str) -> None:
        assert httpx.post(f"{self.url}/v1/experiments/{id}/cancel", timeout=30).is_success

    def get(self, id: str, tail: str = "", **query: int) -> dict[str, Any]:
        """A page about an experiment; asked again while the API is down."""
        url = f"{self.url}/v1/experiments/{id}{tail}"

        def ask() -> dict[str, Any] | None:
            try:
                answer = httpx.get(url, params=query, timeout=5)
            except httpx.TransportError:
                return None
            page: dict[str, Any] = answer.raise_for_status().json()
            return page

        page: dict[str, Any] = until(ask, url)
        return page

    def wait_for_round(self, id: str, round: int) -> None:
        def reached() -> bool:
            page = self.get(id)
            assert page["state"] in ("QUEUED", "STARTING", "RUNNING"), page
            return page["progress"]["round"] >= round

        until(reached, f"{id} reaches round {round}")

    def wait_for_end(self, id: str) -> dict[str, Any]:
        ends = ("SUCCEEDED", "FAILED", "CANCELLED")
        page: dict[str, Any] = until(lambda: (page := self.get(id))["state"] in ends and page, f"{id} ends")
        return page

    def events(self, id: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        while batch := self.get(id, "/events", after=len(events))["events"]:
            events += batch
        return events

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).is_success
        except httpx.TransportError:
            return False


def build_spec(*, executor: str = "local", client_lr: float = 0.03, rounds: int = 300) -> dict[str, Any]:
    """Real data; with all its rounds some seconds long."""
    return {
        "name": "small",
        "seed": 7,
        "rounds": rounds,
        "data": {"kind": "digits"},
        "partition": {"kind": "dirichlet", "alpha": 0.5},
        "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}},
        "clients": {"count": 6, "batch_size": 16, "local_steps": 4},
        "method": {
            "kind": "heron",
            "zeroth_order": {"mu": 1e-3, "probes": 4, "direction": "sphere", "difference": "forward"},
            "client_optimizer": {"kind": "sgd", "lr": client_lr},
            "server_optimizer": {"kind": "sgd", "lr": 0.3},
        },
        "aggregation": {"kind": "mean"},
        "evaluation": {"every": 20},
        "compute": {"executor": executor, "actors": 2, "checkpoint_every": 25},
    }


class _Curves:
    """Collects series in the shape of the API's."""

    def __init__(self) -> None:
        self.series: dict[str, dict[str, list[Any]]] = {}

    def emit(self, event: Event) -> None:
        if isinstance(event, RoundFinished):
            for name, value in event.metrics.items():
                curve = self.series.setdefault(name, {"rounds": [], "values": []})
                curve["rounds"].append(event.round)
                curve["values"].append(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """What the small experiment comes to when nothing disturbs it."""

    result: RunResult
    series: dict[str, dict[str, list[Any]]]

    @classmethod
    def run(cls) -> Undisturbed:
        curves = _Curves()
        with LocalExecutor() as executor:
            result = Simulation(parse_spec(build_spec()), executor, sink=curves).run()
        return cls(result=result, series=curves.series)


@pytest.fixture(name="until", scope="session")
def until_fixture() -> Callable[..., Any]:
    return until


@pytest.fixture(scope="session")
def serve() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `heron serve` where it is expected to refuse."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(serve_command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S)

    return run


@pytest.fixture(scope="session")
def small_spec() -> Callable[..., dict[str, Any]]:
    return build_spec


@pytest.fixture(scope="session")
def undisturbed() -> Undisturbed:
    return Undisturbed.run()


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="heron-test-") as directory:
        yield Path(directory) / "state"


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One service for all tests that leave it running."""
    with tempfile.TemporaryDirectory(prefix="heron-test-") as directory:
        running = Service(Path(directory) / "state")
        running.start()
        yield running
        running.stop()


@pytest.fixture
def own_service(state_dir: Path) -> Iterator[Service]:
    """A service, not started, for a test that ends or kills it."""
    service = Service(state_dir)
    yield service
    if service.process.poll() is None:
        service.stop()
