"""The service on a Ray that is not its own: it uses it, leaves it as it was, and its experiments outlive the service there."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest

from api.supervisor.processes import find_marked, kill_marked
from api.supervisor.ray_head import RayHead

MIDDLE = 60
PATIENCE_S = 120.0


class Cluster:
    """A Ray head on this machine, with a folder, ports and a token of its own."""

    def __init__(self, logs, until):
        self.mark = secrets.token_hex(16)
        self._head = RayHead(mark=self.mark, logs=logs)
        # Ends the cluster even if the tests are killed.
        command = [sys.executable, "-m", "api.supervisor.guardian", self.mark]
        self._guardian = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self._head.start()
        until(lambda: self._head.address or self._head.child.has_died(), "Ray starts")
        self.address = self._head.address
        assert self.address, (logs / "ray.log").read_text()

    @property
    def environment(self):
        return {**os.environ, **self._head.environment}

    def lives(self):
        command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", f"--address={self.address}"]
        return subprocess.run(command, env=self.environment, capture_output=True).returncode == 0

    def actors(self):
        """Processes of drivers, clients and servers."""
        kinds = ("ExperimentDriver", "ClientActor", "MainServerActor", "FederationActor")
        return [process for process in find_marked(self.mark) if any(kind in name_of(process) for kind in kinds)]

    def end(self):
        self._head.clean_up()
        self._head.child.end(within_s=0)
        assert kill_marked(self.mark) == 0
        self._guardian.stdin.close()
        self._guardian.wait()


def name_of(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, until):
    running = Cluster(tmp_path_factory.mktemp("cluster"), until)
    yield running
    running.end()


@pytest.fixture
def service(own_service, cluster, monkeypatch):
    """A service that is told of the cluster by its environment; started again by `start`."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    plain_start = own_service.start

    def start():
        with monkeypatch.context() as patch:
            patch.setattr(
                f"{type(own_service).__module__}.serve_command",
                lambda *arguments: [
                    sys.executable, "-m", "heron_ray.cli", "serve", f"--ray-address={cluster.address}", *arguments,
                ],
            )  # fmt: skip
            plain_start()

    own_service.start = start
    return own_service


def require_undisturbed(page, undisturbed):
    assert page["state"] == "SUCCEEDED", page
    assert page["result"]["trajectory_digest"] == undisturbed.result.trajectory_digest


@pytest.mark.soak  # the other test here runs on a given cluster, too
def test_an_experiment_runs_on_the_given_cluster_and_the_service_leaves_it_as_it_was(
    service, cluster, undisturbed, small_spec, until
):
    service.start()
    about = service.about()
    assert (about["ray_address"], about["ray_directory"], about["pids"]["ray"]) == (cluster.address, None, None)
    id = service.submit(small_spec(executor="ray"))
    service.wait_for_round(id, 1)
    assert cluster.actors()
    require_undisturbed(service.wait_for_end(id), undisturbed)
    assert service.stop() == 0
    assert service.processes() == []
    assert cluster.lives()
    until(lambda: cluster.actors() == [], "its drivers and their actors end")


@pytest.mark.soak
def test_an_experiment_on_the_cluster_goes_on_while_the_service_is_dead(service, cluster, undisturbed, small_spec, until):
    service.start()
    id = service.submit(small_spec(executor="ray"))
    service.wait_for_round(id, MIDDLE)
    service.process.kill()
    service.process.wait()
    until(lambda: not service.processes(), "the guardian ends API and dispatcher")
    assert cluster.actors()

    service.start()
    page = service.wait_for_end(id)
    require_undisturbed(page, undisturbed)
    assert [attempt["exit_reason"] for attempt in page["attempts"]] == ["succeeded"]
    assert service.stop() == 0
    until(lambda: cluster.actors() == [], "its drivers and their actors end")


def test_api_and_dispatcher_run_without_a_supervisor_as_the_cluster_files_start_them(
    cluster, undisturbed, small_spec, until, tmp_path
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {**cluster.environment, "HERON_DATABASE": f"sqlite:///{tmp_path}/heron.db"}
    api_command = [sys.executable, "-m", "api.supervisor.container_api", f"--port={port}"]
    dispatcher_command = [
        sys.executable, "-m", "api.dispatcher", f"--ray-address={cluster.address}", "--owner=heron-test-alone",
        f"--checkpoints={tmp_path}/checkpoints",
        f"--artifacts={tmp_path}/artifacts",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(api_command, env=environment, stderr=log) as api:
        try:
            until(lambda: answers(url) or api.poll() is not None, "the API answers")
            with subprocess.Popen(dispatcher_command, env=environment, stderr=log) as dispatcher:
                try:
                    id = httpx.post(f"{url}/v1/experiments", json={"spec": small_spec()}).json()["id"]
                    page = until(lambda: ended(url, id), "the experiment ends", within_s=PATIENCE_S)
                    require_undisturbed(page, undisturbed)
                finally:
                    dispatcher.send_signal(signal.SIGTERM)
                    assert dispatcher.wait(timeout=PATIENCE_S) == 0
        finally:
            api.send_signal(signal.SIGTERM)
            # uvicorn ends in order and then by the signal that asked for it.
            assert api.wait(timeout=PATIENCE_S) in (0, -signal.SIGTERM)
    until(lambda: cluster.actors() == [], "its drivers and their actors end")


def answers(url):
    try:
        return httpx.get(f"{url}/healthz", timeout=5).is_success
    except httpx.TransportError:
        return False


def ended(url, id):
    page = httpx.get(f"{url}/v1/experiments/{id}", timeout=30).json()
    return page if page["state"] in ("SUCCEEDED", "FAILED", "CANCELLED") else None
