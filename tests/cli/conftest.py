"""A way to call `heron`, a spec on disk, and a real API over a real database for the verbs that need a service."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml

from api.domain.states import State
from api.routes import create_app
from api.settings import Settings
from api.store import Store
from heron_ray.cli.main import main

SPEC: dict[str, Any] = {
    "name": "tiny",
    "rounds": 3,
    "data": {"kind": "digits"},
    "partition": {"kind": "iid"},
    "model": {"kind": "mlp", "front": [8], "back": [8], "auxiliary": {"kind": "linear"}},
    "clients": {"count": 2, "batch_size": 8},
    "method": {
        "kind": "heron",
        "client_optimizer": {"kind": "sgd", "lr": 0.01},
        "server_optimizer": {"kind": "sgd", "lr": 0.1},
    },
    "aggregation": {"kind": "mean"},
    "compute": {"executor": "local"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call of `heron` ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def object(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value


@pytest.fixture
def heron() -> Callable[..., Outcome]:
    """Calls `heron` in this process."""

    def call(*arguments: str | Path) -> Outcome:
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr), pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert isinstance(ended.value.code, int)
        return Outcome(code=ended.value.code, stdout=stdout.getvalue(), stderr=stderr.getvalue())

    return call


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    """A valid spec that takes well under a second."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The database of `service`: a test plays the dispatcher on it."""
    opened = Store.open(f"sqlite:///{tmp_path}/heron.db")
    yield opened
    opened.close()


class Service:
    """The real API on a loopback port, in threads of this process; it can be stopped and started again."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._port = 0
        self.start()

    def start(self) -> None:
        app = create_app(self._settings, self._store)
        config = uvicorn.Config(app, port=self._port, ws="none", log_level="critical", timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.01)
        self._port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"


@pytest.fixture
def service(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service whose address the verbs find in HERON_URL."""
    running = Service(store, Settings(event_poll_s=0.02, artifacts=tmp_path / "artifacts"))
    monkeypatch.setenv("HERON_URL", running.url)
    yield running
    running.stop()


class Dispatcher:
    """Takes experiments through their lives as the service's dispatcher does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self) -> tuple[int, int]:
        claimed = self._store.claim(owner="test", lease_s=60)
        assert claimed is not None
        attempt = claimed[1]
        self._store.running(attempt.id, attempt.token, driver_pid=1, node="here")
        return attempt.id, attempt.token

    def finish_round(self, attempt: tuple[int, int], round: int, rounds: int) -> None:
        event = {
            "kind": "round_finished",
            "key": f"round_finished:{round}",
            "round": round,
            "rounds": rounds,
            "metrics": {"test_accuracy": round / 10, "validation_accuracy": round / 10},
        }
        self._store.record(*attempt, events=[event])

    def succeed(self, attempt: tuple[int, int]) -> None:
        self._store.finish(*attempt, state=State.SUCCEEDED, reason=None, message=None, result=RESULT)

    def fail(self, attempt: tuple[int, int]) -> None:
        self._store.finish(*attempt, state=State.FAILED, reason="diverged", message="diverged in round 2", result=None)


RESULT: dict[str, Any] = {
    "state": "SUCCEEDED",
    "rounds": 3,
    "test_accuracy": 0.5,
    "test_loss": 1.0,
    "auxiliary_accuracy": 0.25,
    "trajectory_digest": "d" * 64,
    "spec_hash": "s" * 64,
    "trajectory_hash": "t" * 64,
    "costs": {
        "client_macs_per_step": 1000,
        "client_flops_per_step": 2000,
        "client_peak_bytes": 2048,
        "bytes_up": 4096,
        "bytes_down": 1024,
    },
    "wall_seconds": 1.5,
}


@pytest.fixture
def dispatcher(store: Store) -> Dispatcher:
    return Dispatcher(store)
