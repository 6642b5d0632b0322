"""`heron submit`: hand a spec to the service."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import json_option, key_option, load, set_option, spec_argument, url_option
from heron_ray.cli.output import print_json


@click.command("submit")
@spec_argument
@set_option
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Label it; may be repeated.")
@key_option
@click.option("--wait", is_flag=True, help="Follow it to its end; then exit 1 unless it succeeded.")
@url_option
@json_option
def command(
    spec: Path,
    overrides: tuple[str, ...],
    tags: tuple[str, ...],
    idempotency_key: str | None,
    wait: bool,
    url: str,
    as_json: bool,
) -> None:
    """Submit an experiment to the service.

    Prints its id. With --wait it prints the experiment as `heron show` does, once it has ended.
    """
    found = load(spec, overrides)
    from heron_ray.cli.client import ServiceClient
    from heron_ray.cli.following import exit_by_state, follow_to_end, print_experiment

    with ServiceClient(url) as client:
        submitted = client.submit(found.canonical(), tags, idempotency_key=idempotency_key)
        id = submitted["id"]
        if not wait:
            if as_json:
                print_json(submitted)
            else:
                click.echo(id)
                click.echo(f"submitted {found.name}; follow it with: heron watch {id}", err=True)
            return
        click.echo(f"submitted {found.name} as {id}", err=True)
        ended = follow_to_end(client, id)
    if as_json:
        print_json(ended)
    else:
        print_experiment(ended)
    exit_by_state(ended["state"])
