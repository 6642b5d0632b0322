"""`heron catalogue`: what an experiment can be made of."""

from __future__ import annotations

import dataclasses

import click

from heron_ray.cli.options import json_option
from heron_ray.cli.output import print_columns, print_json


@click.command("catalogue")
@json_option
def command(as_json: bool) -> None:
    """List the parts an experiment can be made of.

    With --json each part comes with the JSON Schema of its section.
    """
    from heron_ray.catalogue import catalogue

    shelves = catalogue()
    if as_json:
        print_json({shelf: [dataclasses.asdict(part) for part in parts] for shelf, parts in shelves.items()})
        return
    rows = [[shelf.replace("_", " "), part.kind, part.description] for shelf, parts in shelves.items() for part in parts]
    print_columns(["SHELF", "KIND", "DESCRIPTION"], rows)
