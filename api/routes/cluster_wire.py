"""The cluster as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from api.domain.admission import Resources as Amounts
from api.domain.cluster import DispatcherRecord


class Capacity(BaseModel):
    """Cores, GPUs and memory."""

    model_config = ConfigDict(from_attributes=True)

    cpus: float
    gpus: float
    memory_bytes: int


class ClusterNode(BaseModel):
    """A machine of a Ray cluster."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Ray's; attempts name it as their `node`.")
    name: str
    address: str
    is_alive: bool = Field(description="False: it has left the cluster.")
    is_head: bool
    has: Capacity = Field(description="What it offers, in use or not.")


class RunningExperiment(BaseModel):
    """An experiment that holds a slot."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    node: str | None = Field(description="The id of the node that its driver is on; null until it has begun.")
    resources: Capacity = Field(description="What it was let in with; zeros where nothing was declared or estimated.")


class Dispatcher(BaseModel):
    """A dispatcher, as it last described itself."""

    owner: str
    seen_at: datetime = Field(description="When it did so; it does every few seconds.")
    is_silent: bool = Field(description="It has not for 30 s: it is gone, or does not reach Ray.")
    slots: int = Field(description="Experiments that it lets run at the same time.")
    running: list[RunningExperiment]
    has: Capacity = Field(description="What its living nodes offer together.")
    admitted: Capacity = Field(description="What its running experiments were let in with, together.")
    nodes: list[ClusterNode] = Field(description="The head first, those that left last.")

    @classmethod
    def describe(cls, record: DispatcherRecord) -> Self:
        """As JSON."""
        return cls(
            owner=record.owner,
            seen_at=record.seen_at,
            is_silent=record.is_silent,
            slots=record.slots,
            running=[RunningExperiment.model_validate(one) for one in record.running],
            has=Capacity.model_validate(sum((node.has for node in record.nodes if node.is_alive), Amounts())),
            admitted=Capacity.model_validate(sum((one.resources for one in record.running), Amounts())),
            nodes=[ClusterNode.model_validate(node) for node in record.nodes],
        )


class QueuedExperiment(BaseModel):
    """A queued experiment."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    created_at: datetime
    waiting: str | None = Field(description="Why it waits; null where nobody has said so yet.")


class Queue(BaseModel):
    """What waits for a slot."""

    length: int
    first: list[QueuedExperiment] = Field(description="Up to 20, oldest first.")


class Cluster(BaseModel):
    """What experiments run on, and what waits for it."""

    dispatchers: list[Dispatcher]
    queue: Queue
