"""What the service says of what it works on."""

from __future__ import annotations

from datetime import datetime

from heron_ray.client.document import Document


class Capacity(Document):
    """Cores, GPUs and memory."""

    cpus: float
    gpus: float
    memory_bytes: int


class ClusterNode(Document):
    """A machine of a Ray cluster; `has` is what it offers, in use or not."""

    id: str
    name: str
    address: str
    is_alive: bool
    is_head: bool
    has: Capacity


class RunningExperiment(Document):
    """An experiment that holds a slot; `node` is the id of the node that its driver is on."""

    id: str
    name: str
    node: str | None
    resources: Capacity


class Dispatcher(Document):
    """A dispatcher, as it last described itself; `is_silent` where that was too long ago."""

    owner: str
    seen_at: datetime
    is_silent: bool
    slots: int
    running: tuple[RunningExperiment, ...]
    has: Capacity
    admitted: Capacity
    nodes: tuple[ClusterNode, ...]


class QueuedExperiment(Document):
    """A queued experiment, and why it waits."""

    id: str
    name: str
    created_at: datetime
    waiting: str | None


class Queue(Document):
    """How many experiments wait, and the first of them."""

    length: int
    first: tuple[QueuedExperiment, ...]


class Cluster(Document):
    """What experiments run on, and what waits for it."""

    dispatchers: tuple[Dispatcher, ...]
    queue: Queue
