"""A cloud of machines for Ray's autoscaler: more nodes on this machine."""

from __future__ import annotations

import os
from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider


class Machines(FakeMultiNodeProvider):  # type: ignore[misc]
    """Ray's own, which the autoscaler takes only as an external one: the wheel lacks a file that it reads by its name."""

    def __init__(self, *arguments: Any) -> None:
        os.environ["RAY_FAKE_CLUSTER"] = "1"
        super().__init__(*arguments)

    def _create_node_with_resources_and_labels(self, config: Any, tags: Any, count: int, resources: Any, labels: Any) -> None:
        # A started node finds out by itself how much memory there is, and refuses to be told this way.
        started_with = {name: amount for name, amount in resources.items() if name != "memory"}
        super()._create_node_with_resources_and_labels(config, tags, count, started_with, labels)
