"""A study's rows on the terminal, and how they come out of a service's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from heron_ray.cli.output import print_columns, share

if TYPE_CHECKING:
    from heron_ray.client import Study
    from heron_ray.studies.table import Row

COLUMNS = ("test_accuracy", "auxiliary_test_accuracy")


def rows_in(study: Study) -> list[Row]:
    """The rows that the service made, as `heron study run` makes them."""
    from heron_ray.studies.table import ACCURACIES, Row

    rows = []
    for cell in study.results:
        plain = {name: value for name, value in cell.raw.items() if name not in ("labels", "experiment_id")}
        accuracies = {name: plain[name] for name in ACCURACIES}
        rows.append(Row(labels=cell.labels, state=cell.state, accuracies=accuracies, plain=plain))
    return rows


def print_rows(rows: Sequence[Row]) -> None:
    """Means and ranges over seeds, and how many cells are in each state."""
    from heron_ray.studies.table import groups_of, states_of

    groups = groups_of(rows)
    table = [
        [*group.labels.values(), *(_spread(group.spreads[column]) for column in COLUMNS), " ".join(_states(group.states))]
        for group in groups
    ]
    print_columns([*groups[0].labels, "server, test", "auxiliary, test", ""], table)
    click.echo(", ".join(f"{count} {state}" for state, count in states_of(rows).items()))


def _spread(spread: Any) -> str:
    return "-" if spread is None else f"{share(spread.mean)} ({share(spread.low)} - {share(spread.high)})"


def _states(states: Any) -> list[str]:
    return [f"{count} {state}" for state, count in states.items() if state != "SUCCEEDED"]
