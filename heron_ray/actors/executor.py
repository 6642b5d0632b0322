"""RayExecutor: roles in Ray actors; arrays travel from actor to actor by object reference."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, Self

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

from heron_ray.actors.actors import ClientActor, FederationActor, MainServerActor, pack_setup, serialization_seams
from heron_ray.errors import ExhaustedMemoryError, LostActorError
from heron_ray.simulation.executor import Reference
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.trace import ProcessTrace, Seam

_CPU_SHARE = 0.01
"""Of each actor: small, so that any number of actors starts on any machine and none waits for another run's to end. How
many experiments run at once is the dispatcher's decision, not a side effect of Ray's bookkeeping."""


class RayRole:
    """A role in an actor."""

    def __init__(self, actor: Any) -> None:
        """Wrap an actor handle."""
        self.actor = actor

    def call(self, method: str, *arguments: Reference) -> Reference:
        """Queue the call; calls to one actor are carried out in order."""
        return self.actor.call.remote(method, *arguments)

    def call_parts(self, method: str, parts: int, *arguments: Reference) -> Sequence[Reference]:
        """Queue the call; each value of the returned tuple has a reference of its own."""
        references: Sequence[Reference] = self.actor.call.options(num_returns=parts).remote(method, *arguments)
        return references


class RayExecutor:
    """`compute.actors` client actors, a main server actor and a federation actor.

    Connects to the Ray cluster this process is connected to, else to `RAY_ADDRESS`, else starts one of its own and stops it
    at `close`. Actors stay warm between runs.
    """

    lookahead = 2

    def __init__(self) -> None:
        """Nothing is started before `open`."""
        self._owns_ray = False
        self._card_share = 0.0
        self.hosts: list[RayRole] = []

    def open(self, setup: Setup) -> None:
        """Bring up the actors, or reuse those of the previous run, and build their roles."""
        if not ray.is_initialized():
            _start_ray()
            self._owns_ray = True
        compute = setup.spec.compute
        self._adjust_actors(compute.actors, card_share(compute.actors) if compute.device == "cuda" else 0.0)
        packed = ray.put(pack_setup(setup))
        for reference in [role.actor.open.remote(packed, self._card_share or 1.0) for role in self._roles()]:
            self.get(reference)

    def close(self) -> None:
        """Stop the actors, and Ray if it was started here."""
        self._stop_actors()
        if self._owns_ray:
            ray.shutdown()
            self._owns_ray = False

    def get(self, reference: Reference) -> Any:
        """The value of a reference.

        Raises:
            LostActorError: An actor died; the run can be resumed.
            ExhaustedMemoryError: Ray ended a process to save the machine's memory.
            Exception: Whatever the call itself raised.
        """
        try:
            return ray.get(reference)
        except OutOfMemoryError as error:
            raise ExhaustedMemoryError(
                f"a process of the run was ended because memory ran out: {error}",
                hint="lower clients.batch_size or compute.actors",
            ) from error
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, RayActorError):
                raise LostActorError(f"an actor of the run died: {cause}") from error
            raise cause from error
        except RayActorError as error:
            raise LostActorError(f"an actor of the run died: {error}") from error

    def serialized_bytes(self) -> dict[str, int]:
        """Bytes that clients' hosts (up) and servers (down) sent since `open`, as serialized.

        A broadcast is counted once a round: all hosts read the same object.
        """
        up = sum(self.get([host.actor.sent_bytes.remote() for host in self.hosts]))
        down = sum(self.get([role.actor.sent_bytes.remote() for role in (self.main_server, self.federation_server)]))
        return {"up": up, "down": down}

    def seams(self) -> Sequence[Seam]:
        """Calls to actors, waiting for them, and Ray's serialization."""
        sending = [Seam(RayRole, name, "sending") for name in ("call", "call_parts")]
        return [Seam(RayExecutor, "get", "waiting"), *sending, *serialization_seams(None)]

    def record(self, on: bool) -> None:
        """Have the actors record where their time goes, or no longer."""
        for reference in [role.actor.record.remote(on) for role in self._roles()]:
            self.get(reference)

    def traces(self) -> Sequence[ProcessTrace]:
        """What the actors recorded."""
        return [self.get(role.actor.trace.remote()) for role in self._roles()]

    def _adjust_actors(self, count: int, share: float) -> None:
        """Have two servers and `count` client actors, each with a share of a card; those that fit are kept."""
        if share != self._card_share:
            self._stop_actors()
            self._card_share = share
        if not self.hosts:
            self.main_server = RayRole(ray.remote(num_cpus=_CPU_SHARE, num_gpus=share)(MainServerActor).remote())
            self.federation_server = RayRole(ray.remote(num_cpus=_CPU_SHARE, num_gpus=share)(FederationActor).remote())
        host_class = ray.remote(num_cpus=_CPU_SHARE, num_gpus=share, scheduling_strategy="SPREAD")(ClientActor)
        self.hosts += [RayRole(host_class.remote()) for _ in range(count - len(self.hosts))]
        while len(self.hosts) > count:
            ray.kill(self.hosts.pop().actor)

    def _roles(self) -> list[RayRole]:
        return [*self.hosts, self.main_server, self.federation_server]

    def _stop_actors(self) -> None:
        for role in self._roles() if self.hosts else []:
            ray.kill(role.actor)
        self.hosts = []

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def card_share(client_actors: int) -> float:
    """What each actor of an experiment has of a card that they share: Ray counts cards to four decimals.

    Example:
        >>> card_share(1), card_share(5)
        (0.3333, 0.1428)
    """
    return 10_000 // (client_actors + 2) / 10_000


def _start_ray() -> None:
    """Connect to RAY_ADDRESS, or start Ray in this process's name, quietly."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
