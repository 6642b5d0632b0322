"""`heron serve`: run the service in the foreground."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from heron_ray.cli.options import database_option, state_dir_option
from heron_ray.errors import ListenError


@click.command("serve")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address or name to listen on. One that others can reach needs an API key.",
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@database_option
@state_dir_option
@click.option(
    "--ray-address",
    envvar="RAY_ADDRESS",
    help="A Ray cluster to use (needs RAY_AUTH_MODE=token if it has tokens). Default: $RAY_ADDRESS, else its own.",
)
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Experiments at once. Default: 2, or 1 below four cores.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: the logs of all parts are one JSON object per line.",
)
@click.option("--require-key", is_flag=True, help="Requests from this machine need an API key too, as all others do.")
@click.option(
    "--rate-limit",
    type=click.FloatRange(0),
    help="Requests per second of each key, or each address without one. 0: no limit. Default: 200.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    help="YAML or JSON file with the largest experiment that may be submitted.",
)
@click.option("--json", "as_json", is_flag=True, help="Print where the service answers as one JSON object on stdout.")
def command(
    host: str,
    port: int,
    database: str | None,
    state_dir: Path | None,
    ray_address: str | None,
    concurrency: int | None,
    log_format: str,
    require_key: bool,
    rate_limit: float | None,
    policy_file: Path | None,
    as_json: bool,
) -> None:
    """Run the service: Ray, the dispatcher and the REST API, until Ctrl-C."""
    from api.domain.policy import Policy
    from api.logs import LogFormat, start_logging
    from api.settings import RATE_LIMIT
    from api.supervisor.settings import AccessSettings, ServiceSettings, default_concurrency, default_state_dir
    from api.supervisor.supervisor import Supervisor

    start_logging(LogFormat(log_format), level=logging.WARNING, text="heron serve: %(message)s")
    settings = ServiceSettings(
        state_dir=state_dir or default_state_dir(),
        host=host,
        port=port,
        database=database,
        ray_address=ray_address,
        concurrency=concurrency or default_concurrency(),
        log_format=LogFormat(log_format),
        access=AccessSettings(
            require_key=require_key,
            rate_limit=RATE_LIMIT if rate_limit is None else rate_limit,
            policy=Policy.read(policy_file) if policy_file else Policy(),
        ),
    )

    def announce(service: Mapping[str, Any]) -> None:
        click.echo(f"heron-ray answers at {service['url']} (state in {service['state_dir']}; Ctrl-C stops it)", err=True)
        if as_json:
            click.echo(json.dumps(service))

    try:
        Supervisor(settings).run(announce)
    except ListenError as error:
        raise click.UsageError(str(error)) from None
