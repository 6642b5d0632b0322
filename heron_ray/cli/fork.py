"""`heron fork`: go on from what an ended experiment left behind."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, idempotency_option, json_option, key_option, set_option, url_option
from heron_ray.cli.output import print_json


@click.command("fork")
@id_argument
@set_option
@click.option(
    "--round", type=click.IntRange(min=0), metavar="N", help="Go on after this round.  [default: that of the checkpoint]"
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Label it; may be repeated.  [default: as the old one]")
@idempotency_option
@url_option
@key_option
@json_option
def command(
    id: str,
    overrides: tuple[str, ...],
    round: int | None,
    tags: tuple[str, ...],
    idempotency_key: str | None,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Go on from an ended experiment's checkpoint with other settings.

    Prints the id of the new experiment. Rounds, learning rates, the attack, the aggregation, the evaluation and the like may
    change; what the checkpoint depends on (seed, data, partition, model, method) may not.
    """
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        submitted = client.fork(id, overrides, round=round, tags=tags or None, idempotency_key=idempotency_key)
    if as_json:
        print_json(submitted.raw)
        return
    click.echo(submitted.id)
    click.echo(f"forked {id}; follow it with: heron watch {submitted.id}", err=True)
