"""`heron archive`: put ended experiments out of sight, or back."""

from __future__ import annotations

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import print_json

# By HTTP status, as for one experiment.
_EXIT_CODES = {404: 3, 409: 4}


@click.command("archive")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--undo", is_flag=True, help="Bring them back into the lists.")
@url_option
@key_option
@json_option
def command(ids: tuple[str, ...], undo: bool, url: str, key: str | None, as_json: bool) -> None:
    """Put ended experiments out of the lists, or back.

    They keep everything; `heron ps --archived true` lists them. What cannot be done for one stops no other.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        outcomes = client.act("unarchive" if undo else "archive", ids)
    if as_json:
        print_json({"outcomes": [outcome.raw for outcome in outcomes]})
    for outcome in outcomes:
        done = f"brought back {outcome.id}" if undo else f"archived {outcome.id}"
        click.echo(f"error: {outcome.problem['detail']}" if outcome.problem else done, err=True)
    codes = [_EXIT_CODES.get(outcome.status, 1) for outcome in outcomes if outcome.problem]
    if codes:
        raise click.exceptions.Exit(codes[0])
