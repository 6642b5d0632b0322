"""`heron watch`: an experiment's events as they happen."""

from __future__ import annotations

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json


@click.command("watch")
@id_argument
@url_option
@key_option
@json_option
def command(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Follow an experiment live until it ends.

    A restart of the service does not end it. Exits 1 unless the experiment succeeded. With --json every event is a line of
    its own: {"id", "kind", "data"}.
    """
    from heron_ray.cli.following import exit_by_state, follow_to_end, print_experiment
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        if as_json:
            for event in client.follow(id):
                print_json(event.raw)
            state = client.get(id).state
        else:
            ended = follow_to_end(client, id)
            print_experiment(ended)
            state = ended.state
    exit_by_state(state)
