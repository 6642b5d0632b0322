"""`heron delete`: remove an ended experiment."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("delete")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Delete an ended experiment with its events and curves.

    It cannot be undone. One that has not ended is refused; `heron cancel` ends it.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        client.delete(id)
    if as_json:
        print_json({"id": id, "deleted": True})
    else:
        click.echo(f"deleted {id}", err=True)
