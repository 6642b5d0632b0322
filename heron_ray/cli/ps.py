"""`heron ps`: what the service has run, runs and will run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api.domain.states import State
from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import local_time, print_columns, print_json, share

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
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Only those with this tag; of several, with all.")
@click.option("--name", metavar="TEXT", help="Only those with this in their name.")
@click.option(
    "--where",
    "conditions",
    metavar="PATH=VALUE",
    multiple=True,
    help="Only those of whose spec this holds; = != < <= > >= and a YAML value. May be repeated.",
)
@click.option(
    "--archived", type=click.Choice(["false", "true", "any"]), default="false", show_default=True, help="Of the archive."
)
@click.option(
    "--sort",
    metavar="[-]KEY",
    default="-created",
    show_default=True,
    help="created, updated, name, state, test_accuracy, validation_accuracy or auxiliary_accuracy; - for descending.",
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many.")
@url_option
@key_option
@json_option
def command(
    states: tuple[str, ...],
    tags: tuple[str, ...],
    name: str | None,
    conditions: tuple[str, ...],
    archived: str,
    sort: str,
    limit: int,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """List the service's experiments, newest first or in another order."""
    from heron_ray.client import Client

    asked = {"states": states, "tags": tags, "name": name, "where": conditions, "archived": archived, "sort": sort}
    experiments: list[ExperimentSummary] = []
    before: str | None = None
    with Client(url, key=key) as client:
        while len(experiments) < limit:
            page = client.page(**asked, limit=min(PAGE, limit - len(experiments)), before=before)
            experiments += page.experiments
            before = page.next
            if before is None:
                break
    if as_json:
        print_json({"experiments": [experiment.raw for experiment in experiments], "next": before})
        return
    headings = ["ID", "NAME", "STATE", "ROUND", "ACCURACY", "SUBMITTED", "TAGS"]
    print_columns(headings, [_row(experiment) for experiment in experiments])
    if before is not None:
        click.echo(f"only the first {limit} are shown; --limit shows more", err=True)


def _row(experiment: ExperimentSummary) -> list[str]:
    done = experiment.progress
    return [
        experiment.id,
        experiment.name,
        experiment.state + (f" ({experiment.reason})" if experiment.reason else ""),
        f"{done.round}/{done.rounds}",
        "" if experiment.test_accuracy is None else share(experiment.test_accuracy),
        local_time(experiment.created_at),
        ",".join(experiment.tags),
    ]
