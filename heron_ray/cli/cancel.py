"""`heron cancel`: end an experiment early."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("cancel")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Cancel an experiment.

    One that is queued ends at once, one that runs at the end of its round.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        experiment = client.cancel(id)
    if as_json:
        print_json(experiment.raw)
    else:
        click.echo(experiment.state)
