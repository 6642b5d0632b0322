"""`python -m api.supervisor.api_process --fd N`: the API's process, on a socket that the supervisor holds."""

from __future__ import annotations

import argparse
import os
import socket

import uvicorn

from api.routes import create_app
from api.settings import Settings
from api.store import Store

DATABASE_VARIABLE = "HERON_DATABASE"
# An open event stream must not hold up a stop.
CLOSE_STREAMS_S = 2


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m api.supervisor.api_process", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the listening socket's file descriptor")
    arguments = parser.parse_args()
    store = Store.open(os.environ[DATABASE_VARIABLE])
    config = uvicorn.Config(
        create_app(Settings(), store),
        access_log=False,
        timeout_graceful_shutdown=CLOSE_STREAMS_S,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=arguments.fd)])
    store.close()


if __name__ == "__main__":
    main()
