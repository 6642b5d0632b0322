"""`Driver`: an `ExperimentDriver` as the dispatcher sees it, over Ray."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import ActorDiedError, OutOfMemoryError

from api.dispatcher.order import Order
from api.dispatcher.outcome import told_of_memory
from heron_ray.errors import ExhaustedMemoryError, LostActorError


class Driver:
    """Calls one driver actor.

    Each method raises LostActorError when the actor is known to be dead, and ExhaustedMemoryError where Ray ended it to save
    the machine's memory. Any other Ray error, a time-out included, says nothing about the driver: ask again.
    """

    def __init__(self, name: str, actor: ActorHandle, *, call_s: float) -> None:
        """Wait for an answer for `call_s`."""
        self.name = name
        self._actor = actor
        self._call_s = call_s
        self._ready = actor.info.remote()
        self._made_at = time.monotonic()

    @property
    def age_s(self) -> float:
        """How long this process has known it."""
        return time.monotonic() - self._made_at

    def is_ready(self) -> bool:
        """Whether its process is up."""
        done, _ = ray.wait([self._ready], timeout=0)
        if done:
            self._get(self._ready)
        return bool(done)

    def info(self) -> dict[str, Any]:
        """See `ExperimentDriver.info`."""
        answer: dict[str, Any] = self._get(self._actor.info.remote())
        return answer

    def start(self, attempt_id: int, order: Order) -> None:
        """See `ExperimentDriver.start`."""
        self._get(self._actor.start.remote(attempt_id, order))

    def ask_footprint(self, spec: dict[str, Any]) -> ray.ObjectRef:
        """See `ExperimentDriver.footprint`; `answer` has it in the end."""
        return self._actor.footprint.remote(spec)

    def answer(self, reference: ray.ObjectRef) -> Any:
        """The answer to a question, or None while there is none. Raises whatever answering it came to."""
        done, _ = ray.wait([reference], timeout=0)
        return self._get(reference) if done else None

    def events(self, attempt_id: int, *, after: int, limit: int, wait_s: float) -> dict[str, Any]:
        """See `ExperimentDriver.events`."""
        answer: dict[str, Any] = self._get(
            self._actor.events.remote(attempt_id, after=after, limit=limit, wait_s=wait_s), extra_s=wait_s
        )
        return answer

    def stop(self, attempt_id: int) -> None:
        """See `ExperimentDriver.stop`."""
        self._get(self._actor.stop.remote(attempt_id))

    def release(self, attempt_id: int) -> None:
        """See `ExperimentDriver.release`."""
        self._get(self._actor.release.remote(attempt_id))

    def kill(self) -> None:
        """End its process, and with it the actors it created."""
        ray.kill(self._actor)

    def _get(self, reference: ray.ObjectRef, extra_s: float = 0.0) -> Any:
        try:
            return ray.get(reference, timeout=self._call_s + extra_s)
        except OutOfMemoryError as error:
            raise ExhaustedMemoryError(told_of_memory(error)) from error
        except ActorDiedError as error:
            raise LostActorError(f"the driver process died: {' '.join(str(error).split())[:300]}") from error
