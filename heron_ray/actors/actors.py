"""The actors: each holds one role and forwards calls to it. An actor outlives a run and may serve the next one."""

from __future__ import annotations

import pickle
import warnings
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray

from heron_ray.data.dataset import Dataset, Split
from heron_ray.data.partition import Shards
from heron_ray.simulation.roles import ClientHost, FederationServer, MainServer
from heron_ray.simulation.setup import Setup


class RoleActor:
    """Base of the three actors.

    Attributes:
        role_class: What it holds.
        messages: The methods of the role whose results are messages between clients and servers.
    """

    role_class: ClassVar[type[ClientHost] | type[MainServer] | type[FederationServer]]
    messages: ClassVar[frozenset[str]]

    def open(self, packed: dict[str, Any]) -> None:
        """Build the role for a run."""
        setup = unpack_setup(packed)
        torch.set_num_threads(setup.spec.compute.threads)
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


class ClientActor(RoleActor):
    """Hosts many virtual clients."""

    role_class = ClientHost
    messages = frozenset({"advance"})


class MainServerActor(RoleActor):
    """The main server."""

    role_class = MainServer
    messages = frozenset({"consume", "finish_round"})


class FederationActor(RoleActor):
    """The federation server."""

    role_class = FederationServer
    messages = frozenset({"broadcast", "exchange"})


def serialized_bytes(value: object) -> int:
    """What a value comes to when Ray serializes it: pickle's own bytes, and the arrays' beside them (not copied here)."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return len(head) + sum(buffer.raw().nbytes for buffer in buffers)


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
    splits = {name: Split(x=_tensor(x), y=_tensor(y)) for name, (x, y) in packed["splits"].items()}
    return Setup(
        spec=packed["spec"],
        dataset=Dataset(classes=packed["classes"], input_shape=packed["input_shape"], **splits),
        shards=Shards(**packed["shards"]),
    )


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """A tensor on the array's own memory. It may be read-only; roles never write to data."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
