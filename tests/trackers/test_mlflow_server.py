"""MLflow's own tracking server, in an environment of its own: what it was told over HTTP is what its database gives back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from heron_ray.trackers.mlflow import MLflow
from tests.trackers.test_trackers import RUN, KilledError, read_mlflow, run_told

PATIENCE_S = 120.0
pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the client's version, over SQLite."""
    folder = tmp_path_factory.mktemp("mlflow")
    uv, python = Path(sys.executable).with_name("uv"), folder / "environment" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "environment"], check=True)
    wanted = f"mlflow=={version('mlflow-skinny')}"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, wanted], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/store.db", "--artifacts-destination", str(folder / "artifacts")]
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MLFLOW_ALLOW_FILE_STORE")}
    process = subprocess.Popen(command, cwd=folder, env={**kept, "MLFLOW_DISABLE_TELEMETRY": "true"}, start_new_session=True)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
    while not _answers(url):
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.2)
    yield url
    os.killpg(process.pid, 15)
    process.wait(timeout=PATIENCE_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_a_killed_and_resumed_run_is_one_run_with_each_point_once(server, undisturbed, tmp_path) -> None:
    result, points = undisturbed
    with pytest.raises(KilledError):
        run_told(MLflow(server, RUN), tmp_path / "kept", kill_after=2)
    assert run_told(MLflow(server, RUN), tmp_path / "kept").trajectory_digest == result.trajectory_digest
    ((run, told),) = read_mlflow(server)
    assert told == points
    assert run.info.status == "FINISHED"
    assert run.data.tags["heron_ray.trajectory_digest"] == result.trajectory_digest
    assert run.data.params["method.kind"] == RUN.spec["method"]["kind"]
