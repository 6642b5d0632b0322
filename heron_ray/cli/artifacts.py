"""`heron artifacts`: what an experiment left behind."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_columns, print_json, size


@click.command("artifacts")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """List the files that an experiment left behind.

    There are none before it has ended. `heron download` fetches them.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        found = client.artifacts(id)
    if as_json:
        print_json({"artifacts": [one.raw for one in found]})
        return
    rows = [
        [one.name, one.kind, size(one.size_bytes), "" if one.round is None else str(one.round), one.sha256] for one in found
    ]
    print_columns(["NAME", "KIND", "SIZE", "ROUND", "SHA-256"], rows)
