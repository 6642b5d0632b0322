"""A sweep on a cluster of several nodes, of which one is cut off in the middle."""

from __future__ import annotations

import httpx
import psutil
import pytest
from ray.cluster_utils import Cluster

from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import apply_overrides, parse_spec
from tests.service.test_external_ray import name_of

MU = "method.zeroth_order.mu"
PATIENCE_S = 400.0
WORKER = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@pytest.fixture
def cluster():
    """A head without CPUs and two more nodes."""
    running = Cluster(initialize_head=True, head_node_args={**WORKER, "num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        running.add_node(**WORKER)
    yield running
    running.shutdown()


def drivers_on(node):
    (raylet,) = node.all_processes["raylet"]
    return [child for child in psutil.Process(raylet.process.pid).children() if "ExperimentDriver" in name_of(child)]


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_node_cut_off_in_the_middle_of_a_sweep_costs_no_trial(own_service, cluster, small_spec, until):
    own_service.start("--ray-address", cluster.address, "--concurrency", "2")
    until(lambda: all(map(drivers_on, cluster.worker_nodes)), "a driver on either node")
    axis = {"kind": "loguniform", "low": 1e-4, "high": 1e-1}
    body = {"spec": small_spec(), "space": {MU: axis}, "samples": 4, "search": "random", "scheduler": "none"}
    answer = httpx.post(f"{own_service.url}/v1/sweeps", json=body, timeout=30)
    assert answer.status_code == 201, answer.text

    def sweep():
        return httpx.get(f"{own_service.url}/v1/sweeps/{answer.json()['id']}", timeout=30).raise_for_status().json()

    def in_the_middle():
        states = [trial["state"] for trial in sweep()["trials"]]
        return "SUCCEEDED" in states and "RUNNING" in states

    def nodes():
        (dispatcher,) = httpx.get(f"{own_service.url}/v1/cluster", timeout=30).raise_for_status().json()["dispatchers"]
        return [node["is_alive"] for node in dispatcher["nodes"]]

    until(in_the_middle, "a trial has ended and another one runs", within_s=PATIENCE_S)
    before = sweep()
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    until(lambda: nodes() == [True, True, False], "the dispatcher tells of the node that is gone")
    page = until(lambda: (now := sweep())["state"] in ("SUCCEEDED", "FAILED") and now, "it ends", within_s=PATIENCE_S)

    assert [trial["state"] for trial in page["trials"]] == ["SUCCEEDED"] * 4, page["trials"]
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
