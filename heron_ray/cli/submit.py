"""`heron submit`: hand a spec to the service."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import idempotency_option, json_option, key_option, load, set_option, spec_argument, url_option
from heron_ray.cli.output import print_json


@click.command("submit")
@spec_argument
@set_option
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Label it; may be repeated.")
@idempotency_option
@click.option(
    "--max-attempts",
    type=click.IntRange(1, 20),
    help="Attempts in all where machines or processes are lost. Default: as the service is set (5).",
)
@click.option("--wait", is_flag=True, help="Follow it to its end; then exit 1 unless it succeeded.")
@url_option
@key_option
@json_option
def command(
    spec: Path,
    overrides: tuple[str, ...],
    tags: tuple[str, ...],
    idempotency_key: str | None,
    max_attempts: int | None,
    wait: bool,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Submit an experiment to the service.

    Prints its id. With --wait it prints the experiment as `heron show` does, once it has ended.
    """
    found = load(spec, overrides)
    from heron_ray.cli.following import exit_by_state, follow_to_end, print_experiment
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        submitted = client.submit(found, tags, idempotency_key=idempotency_key, max_attempts=max_attempts)
        id = submitted.id
        if not wait:
            if as_json:
                print_json(submitted.raw)
            else:
                click.echo(id)
                click.echo(f"submitted {found.name}; follow it with: heron watch {id}", err=True)
            return
        click.echo(f"submitted {found.name} as {id}", err=True)
        ended = follow_to_end(client, id)
    if as_json:
        print_json(ended.raw)
    else:
        print_experiment(ended)
    exit_by_state(ended.state)
