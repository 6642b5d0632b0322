"""`heron retry`: submit an ended experiment again."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("retry")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Submit an ended experiment again.

    Prints the id of the new experiment, which has the same spec and tags.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        submitted = client.retry(id)
    if as_json:
        print_json(submitted.raw)
        return
    click.echo(submitted.id)
    click.echo(f"submitted {id} again; follow it with: heron watch {submitted.id}", err=True)
