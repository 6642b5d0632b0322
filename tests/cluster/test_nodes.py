"""Runs on a real Ray of several nodes: the same bits as in one process, also when a node is lost or joins late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from heron_ray.actors.executor import RayExecutor
from heron_ray.errors import LostActorError
from heron_ray.simulation import Checkpointer, Simulation
from heron_ray.simulation.events import Event, RoundFinished
from tests.conftest import MakeSpec, local_digest, method_overrides

WORKER = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
# A lost node is noticed within two seconds or so, not half a minute.
HEALTH_CHECKS = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A head without CPUs, as in `cluster/`; this process is connected to it, and the tests add workers."""
    head = {**WORKER, "num_cpus": 0, "include_dashboard": False, "_system_config": HEALTH_CHECKS}
    running = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=running.address, log_to_driver=False, logging_level="ERROR")
    yield running
    ray.shutdown()
    running.shutdown()


def node_of(actor: Any) -> str:
    """The node on which an actor lives."""
    id: str = ray.get(actor.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id()))
    return id


class Lose:
    """Cuts a node off, with all its processes, once a round is over."""

    def __init__(self, nodes: Cluster, node: Any, round: int) -> None:
        self._nodes, self._node, self._round = nodes, node, round

    def emit(self, event: Event) -> None:
        if isinstance(event, RoundFinished) and event.round == self._round:
            self._nodes.remove_node(self._node, allow_graceful=False)


def living() -> set[str]:
    """The nodes that Ray takes for living, the head among them."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def test_a_run_waits_for_a_node_that_joins_late(nodes: Cluster, make_spec: MakeSpec) -> None:
    spec = make_spec("compute.actors=2")
    with RayExecutor() as executor, ThreadPoolExecutor() as aside:
        # The node is added here, because what a thread starts ends with the thread.
        running = aside.submit(Simulation(spec, executor).run)
        time.sleep(2.0)
        assert not running.done()
        nodes.add_node(**WORKER)
        assert running.result().trajectory_digest == local_digest(spec)


def test_digests_are_equal_on_one_node_and_on_three(nodes: Cluster, make_spec: MakeSpec) -> None:
    while len(nodes.worker_nodes) < 3:
        nodes.add_node(**WORKER)
    with RayExecutor() as executor:
        for kind in ("heron", "sflv2", "fedgkt"):
            spec = make_spec(*method_overrides(kind), "compute.actors=3")
            assert Simulation(spec, executor).run().trajectory_digest == local_digest(spec)
        assert {node_of(host.actor) for host in executor.hosts} == {worker.node_id for worker in nodes.worker_nodes}


@pytest.mark.soak
def test_a_run_that_loses_a_node_resumes_on_the_others_to_the_same_digest(
    nodes: Cluster, make_spec: MakeSpec, tmp_path: Path
) -> None:
    lost, _ = nodes.add_node(**WORKER), nodes.add_node(**WORKER)
    spec = make_spec("rounds=8", "compute.actors=4", "compute.checkpoint_every=2")
    checkpointer = Checkpointer(tmp_path)
    with RayExecutor() as executor, pytest.raises(LostActorError, match="actor of the run died"):
        Simulation(spec, executor, sink=Lose(nodes, lost, 5), checkpointer=checkpointer).run()
    deadline = time.monotonic() + 60
    while lost.node_id in living():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with RayExecutor() as executor:
        resumed = Simulation(spec, executor, checkpointer=checkpointer, resume=True).run()
    assert resumed.trajectory_digest == local_digest(spec)
