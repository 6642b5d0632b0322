"""`python -m api.dispatcher`: the dispatcher's process; `heron serve` starts it.

The database's URL comes by environment variable and not as an argument, because it may hold a password.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
from pathlib import Path
from types import FrameType

import ray

from api.dispatcher.dispatcher import Dispatcher
from api.dispatcher.leases import DATABASE_VARIABLE
from api.dispatcher.settings import DispatcherSettings
from api.logs import LogFormat, start_logging
from api.store import Store
from heron_ray.allocator import share_arenas


def main() -> None:
    """Connect to Ray and the database, and dispatch until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m api.dispatcher", description=__doc__)
    parser.add_argument("--ray-address", required=True, help="host:port of the Ray head")
    parser.add_argument("--owner", required=True, help="name of this service, the same over restarts; its Ray namespace")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder for checkpoints")
    parser.add_argument("--artifacts", required=True, type=Path, help="folder for what experiments leave behind")
    parser.add_argument("--concurrency", type=int, default=1, help="experiments that run at the same time")
    parser.add_argument("--lease-s", type=float, default=18.0, help="seconds until an attempt that nobody renews is lost")
    parser.add_argument("--log-format", type=LogFormat, default=LogFormat.TEXT, help="text or json")
    arguments = parser.parse_args()
    start_logging(arguments.log_format)
    # A thread per running experiment and call comes and goes here.
    share_arenas()
    ray.init(
        address=arguments.ray_address,
        namespace=arguments.owner,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )
    store = Store.open(os.environ[DATABASE_VARIABLE])
    settings = DispatcherSettings(
        owner=arguments.owner,
        checkpoints=arguments.checkpoints,
        artifacts=arguments.artifacts,
        concurrency=arguments.concurrency,
        lease_s=arguments.lease_s,
    )
    dispatcher = Dispatcher(store, settings)

    def close(_signal: int, _frame: FrameType | None) -> None:
        dispatcher.close()

    signal.signal(signal.SIGTERM, close)
    # The terminal's Ctrl-C reaches the supervisor, which decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    dispatcher.run()
    store.close()


if __name__ == "__main__":
    main()
