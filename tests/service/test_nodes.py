"""A sweep on a cluster of several nodes, of which one is cut off in the middle."""

from __future__ import annotations

import json

import httpx
import pytest

from api.supervisor.child import Child
from api.supervisor.processes import find_marked, kill_marked
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import apply_overrides, parse_spec
from tests.service.test_external_ray import Cluster, name_of

MU = "method.zeroth_order.mu"
NODES = ("first", "second")
PATIENCE_S = 400.0


@pytest.fixture
def cluster(tmp_path, until):
    """A head and two more nodes; the processes of each are a part by themselves."""
    running = Cluster(tmp_path, until, cpus=0)
    nodes = []
    for name in NODES:
        log = tmp_path / f"{name}.log"
        nodes.append(node := Child(name, mark=running.mark, log=log))
        command = ["ray.scripts.scripts", "start", f"--address={running.address}", "--num-cpus=1", "--block"]
        node.start([*command, "--node-ip-address=127.0.0.1", "--disable-usage-stats"], running.environment)
        until(lambda log=log: "Ray runtime started" in log.read_text(), f"the {name} node joins")
    yield running
    for node in nodes:
        kill_marked(running.mark, node.part)
        node.end(within_s=0)
    running.end()


def drivers_of(cluster, node):
    return [process for process in find_marked(cluster.mark, node) if "ExperimentDriver" in name_of(process)]


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_node_cut_off_in_the_middle_of_a_sweep_costs_no_trial(own_service, cluster, small_spec, until, monkeypatch):
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    own_service.start("--ray-address", cluster.address, "--concurrency", "2")
    until(lambda: all(drivers_of(cluster, node) for node in NODES), "a driver on either node")
    axis = {"kind": "loguniform", "low": 1e-4, "high": 1e-1}
    body = {"spec": small_spec(), "space": {MU: axis}, "samples": 4, "search": "random", "scheduler": "none"}
    answer = httpx.post(f"{own_service.url}/v1/sweeps", json=body, timeout=30)
    assert answer.status_code == 201, answer.text

    def sweep():
        return httpx.get(f"{own_service.url}/v1/sweeps/{answer.json()['id']}", timeout=30).raise_for_status().json()

    def in_the_middle():
        states = [trial["state"] for trial in sweep()["trials"]]
        return "SUCCEEDED" in states and "RUNNING" in states

    until(in_the_middle, "a trial has ended and another one runs", within_s=PATIENCE_S)
    before = sweep()
    kill_marked(cluster.mark, NODES[0])
    page = until(lambda: (now := sweep())["state"] in ("SUCCEEDED", "FAILED") and now, "it ends", within_s=PATIENCE_S)

    assert [trial["state"] for trial in page["trials"]] == ["SUCCEEDED"] * 4, json.dumps(page["trials"])
    assert [trial["overrides"] for trial in page["trials"]] == [trial["overrides"] for trial in before["trials"]]
    for was, trial in zip(before["trials"], page["trials"], strict=True):
        found = own_service.get(trial["experiment_id"])
        changed, _ = apply_overrides(small_spec(), trial["overrides"].items())
        with LocalExecutor() as executor:
            undisturbed = Simulation(parse_spec(changed), executor).run()
        assert found["result"]["trajectory_digest"] == undisturbed.trajectory_digest
        if was["state"] == "SUCCEEDED":
            assert trial["experiment_id"] == was["experiment_id"]
            assert len(found["attempts"]) == 1
    assert own_service.stop() == 0
