"""What the Ray cluster has."""

from __future__ import annotations

import ray
from ray.exceptions import RayError

from api.domain.admission import Resources
from api.domain.cluster import Node

HEAD = "node:__internal_head__"

MOST_GONE = 20
"""Nodes that left are told of up to this many: an autoscaler's cluster has had thousands."""


def total() -> Resources:
    """What the nodes have together, in use or not. Raises RayError where Ray does not answer."""
    has = ray.cluster_resources()
    if "CPU" not in has:
        raise RayError("the Ray cluster does not say what it has")
    return _of(has)


def nodes() -> list[Node]:
    """Every node, the head first, and last some of those that left. Raises RayError where Ray does not answer."""
    found = [
        Node(
            id=node["NodeID"],
            name=node["NodeManagerHostname"],
            address=node["NodeManagerAddress"],
            is_alive=node["Alive"],
            is_head=HEAD in node["Resources"],
            has=_of(node["Resources"]),
        )
        for node in ray.nodes()
    ]
    found.sort(key=lambda node: (not node.is_head, node.name, node.id))
    return [node for node in found if node.is_alive] + [node for node in found if not node.is_alive][:MOST_GONE]


def _of(has: dict[str, float]) -> Resources:
    return Resources(cpus=has.get("CPU", 0.0), gpus=has.get("GPU", 0.0), memory_bytes=int(has.get("memory", 0)))
