"""`heron ps`: what the service has run, runs and will run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api.domain.states import State
from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import local_time, print_columns, print_json

if TYPE_CHECKING:
    from heron_ray.client import ExperimentSummary

PAGE = 200


@click.command("ps")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State], case_sensitive=False),
    help="Only this state; may be repeated.",
)
@click.option("--tag", metavar="TAG", help="Only those with this tag.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many.")
@url_option
@key_option
@json_option
def command(states: tuple[str, ...], tag: str | None, limit: int, url: str, key: str | None, as_json: bool) -> None:
    """List the service's experiments, newest first."""
    from heron_ray.client import Client

    experiments: list[ExperimentSummary] = []
    before: str | None = None
    with Client(url, key=key) as client:
        while len(experiments) < limit:
            page = client.page(limit=min(PAGE, limit - len(experiments)), before=before, states=states, tag=tag)
            experiments += page.experiments
            before = page.next
            if before is None:
                break
    if as_json:
        print_json({"experiments": [experiment.raw for experiment in experiments], "next": before})
        return
    print_columns(["ID", "NAME", "STATE", "ROUND", "SUBMITTED", "TAGS"], [_row(experiment) for experiment in experiments])
    if before is not None:
        click.echo(f"only the newest {limit} are shown; --limit shows more", err=True)


def _row(experiment: ExperimentSummary) -> list[str]:
    done = experiment.progress
    return [
        experiment.id,
        experiment.name,
        experiment.state + (f" ({experiment.reason})" if experiment.reason else ""),
        f"{done.round}/{done.rounds}",
        local_time(experiment.created_at),
        ",".join(experiment.tags),
    ]
