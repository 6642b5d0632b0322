"""`heron show`: one experiment."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("show")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Show one experiment: state, progress, result."""
    from heron_ray.cli.following import print_experiment
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        experiment = client.get(id)
    if as_json:
        print_json(experiment.raw)
    else:
        print_experiment(experiment)
