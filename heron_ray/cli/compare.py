"""`heron compare`: what tells experiments apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import print_columns, print_json


@click.command("compare")
@click.argument("ids", metavar="ID ID...", nargs=-1, required=True)
@url_option
@key_option
@json_option
def command(ids: tuple[str, ...], url: str, key: str | None, as_json: bool) -> None:
    """Compare experiments: where their specs differ, and their final figures.

    One column per experiment, from 2 to 50. An empty cell: it does not have that field or figure.
    """
    if not 2 <= len(ids) <= 50:
        raise click.UsageError(f"from 2 to 50 experiments can be compared, not {len(ids)}")
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        found = client.compare(ids)
    if as_json:
        print_json(found.raw)
        return
    columns = [experiment.id for experiment in found.experiments]
    states = {"state": {experiment.id: experiment.state for experiment in found.experiments}}
    rows = [*_rows(states, columns), *_rows(found.differences, columns), *_rows(found.figures, columns)]
    print_columns(["", *columns], rows)
    click.echo(f"series of all: {', '.join(found.shared_series) or 'none'}", err=True)


def _rows(table: Mapping[str, Mapping[str, Any]], columns: list[str]) -> list[list[str]]:
    return [[path, *(_cell(values[id]) if id in values else "" for id in columns)] for path, values in table.items()]


def _cell(value: object) -> str:
    """Figures to six digits, texts as they are, the rest as in JSON."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
