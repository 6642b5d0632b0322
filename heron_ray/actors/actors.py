"""The actors: each holds one role and forwards calls to it. An actor outlives a run and may serve the next one."""

from __future__ import annotations

import pickle
import sys
from contextlib import ExitStack
from typing import Any, ClassVar

import torch

from heron_ray.allocator import keep_freed_memory
from heron_ray.data.dataset import Dataset, Split
from heron_ray.data.partition import Shards
from heron_ray.device import limit_device_memory
from heron_ray.simulation.roles import ClientHost, FederationServer, MainServer
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.trace import ProcessTrace, Recorder, Seam, models_known, traced
from heron_ray.vectors import tensor_over


class RoleActor:
    """Base of the three actors.

    Attributes:
        role_class: What it holds.
        role_name: Its name in traces.
        messages: The methods of the role whose results are messages between clients and servers.
    """

    role_class: ClassVar[type[ClientHost] | type[MainServer] | type[FederationServer]]
    role_name: ClassVar[str]
    messages: ClassVar[frozenset[str]]

    def open(self, packed: dict[str, Any], device_share: float) -> None:
        """Build the role for a run, which may take that share of its device's memory."""
        setup = unpack_setup(packed)
        limit_device_memory(device_share)
        torch.set_num_threads(setup.spec.compute.threads)
        keep_freed_memory()
        self._recorder, self._recording = Recorder(self.role_name), ExitStack()
        with models_known(self._recorder):
            self._role = type(self).role_class(setup)
        self._sent_bytes = 0

    def call(self, method: str, *arguments: Any) -> Any:
        """Forward a call to the role."""
        value = getattr(self._role, method)(*arguments)
        if method in self.messages:
            self._sent_bytes += serialized_bytes(value)
        return value

    def sent_bytes(self) -> int:
        """Bytes of all messages sent since `open`, as they are serialized."""
        return self._sent_bytes

    def record(self, on: bool) -> None:
        """Record where this process's time goes, or no longer."""
        self._recording.close()
        if on:
            metering = Seam(sys.modules[__name__], "serialized_bytes", "serialization", self.role_name)
            self._recording.enter_context(traced(self._recorder, [metering, *serialization_seams(self.role_name)]))

    def trace(self) -> ProcessTrace:
        """What was recorded since `open`."""
        return self._recorder.result()


class ClientActor(RoleActor):
    """Hosts many virtual clients."""

    role_class = ClientHost
    role_name = "client"
    messages = frozenset({"advance"})


class MainServerActor(RoleActor):
    """The main server."""

    role_class = MainServer
    role_name = "main_server"
    messages = frozenset({"consume", "finish_round"})


class FederationActor(RoleActor):
    """The federation server."""

    role_class = FederationServer
    role_name = "federation_server"
    messages = frozenset({"broadcast", "exchange"})


def serialized_bytes(value: object) -> int:
    """What a value comes to when Ray serializes it: pickle's own bytes, and the arrays' beside them (not copied here)."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return len(head) + sum(buffer.raw().nbytes for buffer in buffers)


def serialization_seams(role: str | None) -> list[Seam]:
    """Where Ray turns values into bytes and back, in this process."""
    from ray._private.serialization import SerializationContext

    return [Seam(SerializationContext, name, "serialization", role) for name in ("serialize", "deserialize_objects")]


def pack_setup(setup: Setup) -> dict[str, Any]:
    """A setup as plain numpy arrays: put once into the object store, read in place by every actor of a node."""
    dataset = setup.dataset
    return {
        "spec": setup.spec,
        "classes": dataset.classes,
        "input_shape": dataset.input_shape,
        "splits": {name: (split.x.numpy(), split.y.numpy()) for name, split in dataset.splits().items()},
        "shards": {"held": setup.shards.held, "bounds": setup.shards.bounds},
    }


def unpack_setup(packed: dict[str, Any]) -> Setup:
    """The setup that `pack_setup` packed; its arrays stay where they are."""
    splits = {name: Split(x=tensor_over(x), y=tensor_over(y)) for name, (x, y) in packed["splits"].items()}
    return Setup(
        spec=packed["spec"],
        dataset=Dataset(
            train=splits["train"],
            validation=splits["validation"],
            test=splits["test"],
            classes=packed["classes"],
            input_shape=packed["input_shape"],
        ),
        shards=Shards(**packed["shards"]),
    )
