"""LocalExecutor: all roles in this process, calls carried out at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch

from heron_ray.allocator import keep_freed_memory, return_freed_memory
from heron_ray.simulation.executor import Reference
from heron_ray.simulation.roles import ClientHost, FederationServer, MainServer
from heron_ray.simulation.setup import Setup


class LocalRole:
    """A role in this process."""

    def __init__(self, role: object) -> None:
        """Wrap `role`."""
        self._role = role

    def call(self, method: str, *arguments: Reference) -> Reference:
        """Call now; the reference is the value."""
        return getattr(self._role, method)(*arguments)

    def call_parts(self, method: str, parts: int, *arguments: Reference) -> Sequence[Reference]:
        """Call now; the references are the `parts` values."""
        values: Sequence[Reference] = self.call(method, *arguments)
        return values


class LocalExecutor:
    """One client host, the main server and the federation server in this process.

    Example:
        >>> from heron_ray.simulation import Simulation
        >>> from heron_ray.spec import parse_spec
        >>> spec = parse_spec({
        ...     "rounds": 1, "data": {"kind": "digits"}, "partition": {"kind": "iid"},
        ...     "model": {"kind": "mlp", "front": [8], "auxiliary": {"kind": "linear"}}, "clients": {"count": 2},
        ...     "method": {"kind": "frozen_client", "server_optimizer": {"kind": "sgd", "lr": 0.1}},
        ...     "aggregation": {"kind": "mean"},
        ... })
        >>> with LocalExecutor() as executor:
        ...     Simulation(spec, executor).run().rounds
        1
    """

    lookahead = 1

    def __init__(self) -> None:
        """Nothing is built before `open`."""
        self._threads: int | None = None

    def open(self, setup: Setup) -> None:
        """Build the roles."""
        if self._threads is None:
            self._threads = torch.get_num_threads()
        torch.set_num_threads(setup.spec.compute.threads)
        keep_freed_memory()
        self.hosts: Sequence[LocalRole] = [LocalRole(ClientHost(setup))]
        self.main_server = LocalRole(MainServer(setup))
        self.federation_server = LocalRole(FederationServer(setup))

    def close(self) -> None:
        """Give the process its own number of threads back, and the kernel the memory that was freed."""
        if self._threads is not None:
            torch.set_num_threads(self._threads)
            return_freed_memory()

    def get(self, reference: Reference) -> Any:
        """The reference is the value."""
        return reference

    def serialized_bytes(self) -> None:
        """Nothing leaves this process."""

    def seams(self) -> tuple[()]:
        """Nothing beside what is always timed."""
        return ()

    def record(self, on: bool) -> None:
        """There is no other process."""

    def traces(self) -> tuple[()]:
        """There is no other process."""
        return ()

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
