"""`DriverPool`: as many warm drivers as experiments may run at once."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import ray
from ray.exceptions import RayError

from api.dispatcher.driver import ExperimentDriver
from api.dispatcher.handle import Driver
from heron_ray.errors import ExhaustedMemoryError, LostActorError

LOG = logging.getLogger(__name__)

PREFIX = "driver-"
# A driver's methods answer beside one another: an event call that waits must not hold up a stop.
METHOD_THREADS = 8
# With a local executor all of a run is in its driver: they spread over the nodes, but not to one that was started without
# CPUs, as heads are. The share is small, because how many run at once is decided here and not by Ray.
PLACE: Mapping[str, Any] = MappingProxyType({"num_cpus": 0.01, "scheduling_strategy": "SPREAD"})


class DriverPool:
    """Creates drivers, lends them out, and finds those of an earlier dispatcher.

    Drivers are detached actors named `driver-...` in the namespace that `ray.init` was given, so they survive the
    dispatcher. Thread safe.

    Attributes:
        given_back: Set when a driver comes back from a run, for whoever waits for one.
    """

    def __init__(self, *, size: int, call_s: float, start_s: float) -> None:
        """Keep `size` drivers; create none before `fill`. One that is not up after `start_s` is replaced."""
        self._size = size
        self._start_s = start_s
        self._call_s = call_s
        self._lock = threading.Lock()
        self._drivers: dict[str, Driver] = {}
        self._lent: set[str] = set()
        self.given_back = threading.Event()

    def attach(self) -> dict[int, Driver]:
        """Find the living drivers of an earlier dispatcher; idle ones join the pool.

        Returns:
            Those that hold an attempt, by its id: lent out from now on.

        Raises:
            RayError: A driver that lives did not answer; ask again.
        """
        busy: dict[int, Driver] = {}
        for name in ray.util.list_named_actors():
            with self._lock:
                if not name.startswith(PREFIX) or name in self._drivers:
                    continue
            try:
                driver = Driver(name, ray.get_actor(name), call_s=self._call_s)
                attempt_id = driver.info()["attempt_id"]
            except (ValueError, LostActorError, ExhaustedMemoryError):
                # It died between the list and the call.
                continue
            with self._lock:
                self._drivers[name] = driver
                if attempt_id is not None:
                    self._lent.add(name)
                    busy[attempt_id] = driver
        return busy

    def fill(self) -> None:
        """Create the drivers that are missing; they come up in the background."""
        with self._lock:
            missing = self._size - len(self._drivers)
        for _ in range(missing):
            name = f"{PREFIX}{secrets.token_hex(4)}"
            actor = (
                ray.remote(ExperimentDriver)
                .options(name=name, lifetime="detached", max_concurrency=METHOD_THREADS, max_restarts=0, **PLACE)
                .remote()
            )
            with self._lock:
                self._drivers[name] = Driver(name, actor, call_s=self._call_s)

    def take(self) -> Driver | None:
        """Borrow a driver that is up and idle; None while there is none."""
        with self._lock:
            idle = [driver for name, driver in self._drivers.items() if name not in self._lent]
        for driver in idle:
            try:
                if driver.is_ready():
                    with self._lock:
                        self._lent.add(driver.name)
                    return driver
                if driver.age_s > self._start_s:
                    LOG.warning("driver %s has not come up within %.0f s; replacing it", driver.name, self._start_s)
                    self.discard(driver)
            except (LostActorError, ExhaustedMemoryError) as error:
                LOG.warning("an idle driver is gone: %s", error)
                self._forget(driver.name)
        return None

    def put_back(self, driver: Driver) -> None:
        """Return a driver that was not used."""
        with self._lock:
            self._lent.discard(driver.name)

    def give_back(self, driver: Driver, *, attempt_id: int) -> None:
        """Return a driver whose run ended well: it serves the next experiment."""
        try:
            driver.release(attempt_id)
        except (RayError, LostActorError, ExhaustedMemoryError) as error:
            LOG.warning("driver %s cannot be used again: %s", driver.name, error)
            self.discard(driver)
        else:
            self.put_back(driver)
        self.given_back.set()

    def discard(self, driver: Driver) -> None:
        """End a driver that is not to be trusted with another run."""
        try:
            driver.kill()
        except RayError as error:
            LOG.warning("driver %s could not be ended: %s", driver.name, error)
        self._forget(driver.name)

    def close(self) -> None:
        """End every driver."""
        with self._lock:
            drivers = list(self._drivers.values())
        for driver in drivers:
            self.discard(driver)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._drivers.pop(name, None)
            self._lent.discard(name)
