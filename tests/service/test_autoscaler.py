"""A cluster that grows for an experiment that waits, and shrinks after it."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from api.supervisor import ray_head
from api.supervisor.child import Child
from api.supervisor.processes import kill_marked

HEAD = "ray.head.default"
WORKER = {"CPU": 2, "memory": 2**31, "object_store_memory": 100 * 2**20}
AUTOSCALER = {
    "cluster_name": "test",
    "max_workers": 2,
    "upscaling_speed": 1.0,
    "idle_timeout_minutes": 0.1,
    "provider": {
        "type": "external",
        "module": "tests.service.machines.Machines",
        "head_node_id": FAKE_HEAD_NODE_ID,
        "launch_multiple": True,
        "disable_node_updaters": True,
    },
    "available_node_types": {
        HEAD: {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": WORKER, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "head_node_type": HEAD,
    # Nothing is installed or copied, but each has to be there.
    **{name: {} for name in ("auth", "docker", "file_mounts")},
    **{name: [] for name in ("cluster_synced_files", "initialization_commands", "rsync_exclude", "rsync_filter")},
    **{f"{part}setup_commands": [] for part in ("", "head_", "worker_")},
    **{f"{part}_start_ray_commands": [] for part in ("head", "worker")},
}


@pytest.fixture
def address(tmp_path, monkeypatch, until):
    """A Ray head of one CPU, with an autoscaler that may add two nodes."""
    mark, directory = secrets.token_hex(16), ray_head._short_temporary_directory()
    port, client_port, agent_port, metrics_port = ray_head._free_ports(4)
    address = f"127.0.0.1:{port}"
    AUTOSCALER["provider"]["gcs_address"] = address
    (tmp_path / "autoscaler.json").write_text(json.dumps(AUTOSCALER))
    token = ray_head.RayHead(mark=mark, logs=tmp_path).environment
    environment = {
        **token,
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
        "RAY_NODE_TYPE_NAME": HEAD,
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    for name, value in token.items():
        monkeypatch.setenv(name, value)
    guardian = subprocess.Popen(
        [sys.executable, "-m", "api.supervisor.guardian", mark], stdin=subprocess.PIPE, start_new_session=True
    )
    head = Child("ray", mark=mark, log=tmp_path / "ray.log")
    head.start(
        [
            "ray.scripts.scripts", "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}",
            f"--ray-client-server-port={client_port}", f"--dashboard-agent-listen-port={agent_port}",
            f"--metrics-export-port={metrics_port}", f"--temp-dir={directory}", "--include-dashboard=false",
            "--include-log-monitor=false", "--disable-usage-stats", "--num-cpus=1", f"--object-store-memory={100 * 2**20}",
            f"--autoscaling-config={tmp_path}/autoscaler.json",
        ],
        environment,
    )  # fmt: skip
    started = directory / "ray_current_cluster"
    until(lambda: (started.exists() and started.read_text().strip()) or head.has_died(), "Ray starts")
    assert started.exists(), (tmp_path / "ray.log").read_text()
    yield address
    head.end(within_s=0)
    assert kill_marked(mark) == 0
    guardian.stdin.close()
    guardian.wait()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.soak
def test_a_worker_comes_for_an_experiment_that_waits_and_goes_after_it(own_service, address, undisturbed, small_spec, until):
    own_service.start("--ray-address", address)
    resources = {"cpus": 3, "gpus": 0, "memory_bytes": 2**28}
    body = {"spec": small_spec(), "resources": resources}
    id = httpx.post(f"{own_service.url}/v1/experiments", json=body, timeout=30).raise_for_status().json()["id"]

    def nodes():
        dispatchers = httpx.get(f"{own_service.url}/v1/cluster", timeout=30).raise_for_status().json()["dispatchers"]
        return [node["is_alive"] for dispatcher in dispatchers for node in dispatcher["nodes"]]

    until(lambda: own_service.get(id)["waiting"] == "needs 3 CPUs, but the whole cluster has 1", "it says what it waits for")
    page = own_service.wait_for_end(id)
    assert page["state"] == "SUCCEEDED", page
    assert page["result"]["trajectory_digest"] == undisturbed.result.trajectory_digest
    until(lambda: nodes() == [True, False], "the worker that came is gone")
    assert own_service.stop() == 0
