"""`heron logs`: what the driver of an experiment logged."""

from __future__ import annotations

import time

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json

LOOK_EVERY_S = 0.5


@click.command("logs")
@id_argument
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Of this attempt.  [default: the newest]")
@click.option("--follow", is_flag=True, help="Go on until the attempt has ended.")
@url_option
@key_option
@json_option
def command(id: str, attempt: int | None, follow: bool, url: str, key: str | None, as_json: bool) -> None:
    """Print what the driver of an experiment logged.

    The traceback of an unexpected error is there. With --json every page is a line of its own: {"attempt", "text", "next",
    "complete"}.
    """
    from heron_ray.client import Client

    after = 0
    with Client(url, key=key) as client:
        while True:
            page = client.logs(id, attempt=attempt, after=after)
            after = page.next
            # Once begun, stay with one attempt: offsets in another's log mean nothing.
            attempt = page.attempt or attempt
            if as_json and (page.text or page.complete or not follow):
                print_json(page.raw)
            elif page.text:
                click.echo(page.text, nl=False)
            if page.complete or not (page.text or follow):
                return
            if not page.text:
                time.sleep(LOOK_EVERY_S)
