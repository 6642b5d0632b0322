"""`python -m api.supervisor.container_api`: the API alone, where something else keeps it up: Compose or Kubernetes.

It opens the socket that the supervisor holds elsewhere, and becomes the API's process on it. The database's URL comes by
the environment variable HERON_DATABASE. SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from api.domain.policy import Policy
from api.logs import LogFormat
from api.settings import RATE_LIMIT
from api.supervisor.listener import listen
from api.supervisor.settings import AccessSettings
from heron_ray.errors import ServiceError


def main() -> None:
    """Listen, then become the API's process."""
    parser = argparse.ArgumentParser(prog="python -m api.supervisor.container_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    parser.add_argument(
        "--private-network",
        action="store_true",
        help="listen on an address that others can reach, even before the first API key is made: without one it lets nobody in",
    )
    parser.add_argument("--artifacts", help="folder of what experiments left behind; without it, none is served")
    parser.add_argument("--require-key", action="store_true", help="requests from the same container need an API key too")
    parser.add_argument("--rate-limit", type=float, default=RATE_LIMIT, help="requests per second and caller; 0: any")
    parser.add_argument("--policy", type=Path, help="file with the limits of what may be submitted")
    parser.add_argument("--log-format", type=LogFormat, default=LogFormat.TEXT, help="text or json")
    arguments = parser.parse_args()
    if "HERON_DATABASE" not in os.environ:
        parser.error("set HERON_DATABASE to the database's URL")
    try:
        access = AccessSettings(
            require_key=arguments.require_key,
            rate_limit=arguments.rate_limit,
            policy=Policy.read(arguments.policy) if arguments.policy else Policy(),
        )
        listener = listen(arguments.host, arguments.port, has_keys=lambda: arguments.private_network)
    except ServiceError as error:
        parser.error(str(error))
    listener.set_inheritable(True)
    options = [f"--fd={listener.fileno()}", f"--log-format={arguments.log_format}", *access.arguments()]
    if arguments.artifacts is not None:
        options.append(f"--artifacts={arguments.artifacts}")
    os.execv(sys.executable, [sys.executable, "-m", "api.supervisor.api_process", *options])  # noqa: S606 - our own module


if __name__ == "__main__":
    main()
