"""`heron kill`: end an experiment at once."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("kill")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Kill an experiment: its processes end in the middle of a round.

    `heron cancel` waits for the end of the round.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        experiment = client.kill(id)
    if as_json:
        print_json(experiment.raw)
    else:
        click.echo(experiment.state)
