"""`python -m api.supervisor.api_process --fd N`: the API's process, on a socket that the supervisor holds."""

from __future__ import annotations

import argparse
import gc
import os
import socket
from pathlib import Path

import uvicorn

from api.domain.policy import Policy
from api.logs import LogFormat, start_logging
from api.routes import create_app
from api.routes.feeds import Feeds
from api.settings import RATE_LIMIT, Settings
from api.store import Store

DATABASE_VARIABLE = "HERON_DATABASE"
# A stream whose client does not read must not hold up a stop.
CLOSE_STREAMS_S = 2


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m api.supervisor.api_process", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the listening socket's file descriptor")
    parser.add_argument("--artifacts", type=Path, help="folder of what experiments left behind; without it, none is served")
    parser.add_argument("--log-format", type=LogFormat, default=LogFormat.TEXT, help="text or json")
    parser.add_argument("--require-key", action="store_true", help="requests from this machine need an API key too")
    parser.add_argument("--rate-limit", type=float, default=RATE_LIMIT, help="requests per second and caller")
    parser.add_argument("--policy", type=Policy.model_validate_json, default=Policy(), help="the policy as JSON")
    arguments = parser.parse_args()
    start_logging(arguments.log_format)
    store = Store.open(os.environ[DATABASE_VARIABLE])
    settings = Settings(
        artifacts=arguments.artifacts,
        require_key=arguments.require_key,
        rate_limit=arguments.rate_limit,
        policy=arguments.policy,
    )
    app = create_app(settings, store)
    config = uvicorn.Config(
        app,
        access_log=False,
        # Otherwise a header may say where a request comes from.
        proxy_headers=False,
        server_header=False,
        # It logs where everything else does.
        log_config=None,
        timeout_graceful_shutdown=CLOSE_STREAMS_S,
    )
    # Everything so far stays. Full collections would look at all of it, and requests would wait a tenth of a second.
    gc.collect()
    gc.freeze()
    _Server(config, app.state.feeds).run(sockets=[socket.socket(fileno=arguments.fd)])
    store.close()


class _Server(uvicorn.Server):
    """Ends the open event streams when it is asked to stop; otherwise it would wait for them."""

    def __init__(self, config: uvicorn.Config, feeds: Feeds) -> None:
        super().__init__(config)
        self._feeds = feeds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feeds.close()
        await super().shutdown(sockets)


if __name__ == "__main__":
    main()
