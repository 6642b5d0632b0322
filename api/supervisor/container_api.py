"""`python -m api.supervisor.container_api`: the API alone, where something else keeps it up: Compose or Kubernetes.

It opens the socket that the supervisor holds elsewhere, and becomes the API's process on it. The database's URL comes by
the environment variable HERON_DATABASE. SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys

from api.logs import LogFormat
from api.supervisor.listener import listen
from heron_ray.errors import ListenError


def main() -> None:
    """Listen, then become the API's process."""
    parser = argparse.ArgumentParser(prog="python -m api.supervisor.container_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    parser.add_argument(
        "--private-network",
        action="store_true",
        help="listen although others on this network can reach the API: it asks for no keys, so trust them all",
    )
    parser.add_argument("--artifacts", help="folder of what experiments left behind; without it, none is served")
    parser.add_argument("--log-format", type=LogFormat, default=LogFormat.TEXT, help="text or json")
    arguments = parser.parse_args()
    if "HERON_DATABASE" not in os.environ:
        parser.error("set HERON_DATABASE to the database's URL")
    try:
        listener = _listen(arguments.host, arguments.port, private=arguments.private_network)
    except ListenError as error:
        parser.error(str(error))
    listener.set_inheritable(True)
    options = [f"--fd={listener.fileno()}", f"--log-format={arguments.log_format}"]
    if arguments.artifacts is not None:
        options.append(f"--artifacts={arguments.artifacts}")
    os.execv(sys.executable, [sys.executable, "-m", "api.supervisor.api_process", *options])  # noqa: S606 - our own module


def _listen(host: str, port: int, *, private: bool) -> socket.socket:
    if not private:
        return listen(host, port)
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise ListenError(f"cannot listen on {host} port {port}: {error.strerror}", hint="choose another with --port") from None


if __name__ == "__main__":
    main()
