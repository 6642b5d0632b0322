"""`heron why`: why an experiment stands where it does."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("why")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Say why an experiment stands where it does: what it waits for, what ended it."""
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        standing = client.why(id)
    if as_json:
        print_json(standing.raw)
    else:
        click.echo(standing.why)
