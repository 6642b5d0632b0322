"""`heron tag`: change the tags of an experiment."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("tag")
@id_argument
@click.option("--add", "added", metavar="TAG", multiple=True, help="Give it this tag; may be repeated.")
@click.option("--remove", "removed", metavar="TAG", multiple=True, help="Take this tag from it; may be repeated.")
@url_option
@key_option
@json_option
def command(id: str, added: tuple[str, ...], removed: tuple[str, ...], url: str, key: str | None, as_json: bool) -> None:
    """Change the tags of an experiment.

    Prints its tags, one a line. Edits by others in the same moment are kept.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        experiment = client.retag(id, add=added, remove=removed)
    if as_json:
        print_json(experiment.raw)
        return
    for tag in experiment.tags:
        click.echo(tag)
