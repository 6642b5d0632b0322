"""`EmbeddedDispatcher`: the dispatcher in this process, over a database and a Ray of its own that end with it.

For `heron sweep run`, which needs no service and yet has its queue, its drivers and its record.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import ray

from api.dispatcher.dispatcher import Dispatcher
from api.dispatcher.settings import DispatcherSettings
from api.store import Store


class EmbeddedDispatcher:
    """Use it in `with`. Ray is that of RAY_ADDRESS where it is set, else one started here.

    Attributes:
        store: Where to submit and look.
    """

    store: Store

    def __init__(self, *, concurrency: int) -> None:
        """Nothing is started before `with`."""
        self._concurrency = concurrency

    def __enter__(self) -> Self:
        """Start Ray and the dispatcher."""
        owner = f"embedded-{secrets.token_hex(4)}"
        _start_ray(owner)
        self._directory = tempfile.TemporaryDirectory(prefix="heron-sweep-", ignore_cleanup_errors=True)
        path = Path(self._directory.name)
        self.store = Store.open(f"sqlite:///{path}/heron.db")
        settings = DispatcherSettings(
            owner=owner, checkpoints=path / "checkpoints", artifacts=path / "artifacts", concurrency=self._concurrency
        )
        self._dispatcher = Dispatcher(self.store, settings)
        self._thread = threading.Thread(target=self._dispatcher.run, name="dispatcher")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop whatever runs, then Ray."""
        self._dispatcher.close()
        self._thread.join()
        self.store.close()
        ray.shutdown()
        self._directory.cleanup()


def _start_ray(namespace: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    for name in ("alembic", "api"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.init(namespace=namespace, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
