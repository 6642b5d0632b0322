"""`heron import`: other benchmarks' configurations as studies."""  # noqa: N999 - named as its verb is

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from heron_ray.cli.options import json_option, set_option
from heron_ray.cli.output import print_json


@click.group("import")
def command() -> None:
    """Turn another benchmark's configuration into a study."""


@command.command("byzfl")
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.yaml",
    help="Where the study goes.  [default: beside the configuration, .yaml]",
)
@set_option
@click.option("--leave-out", is_flag=True, help="Leave out rules, attacks and distributions that have no equivalent.")
@json_option
def byzfl(config: Path, out: Path | None, overrides: tuple[str, ...], leave_out: bool, as_json: bool) -> None:
    """Turn a configuration file of ByzFL's benchmark into a study.

    What has no equivalent is refused, all of it at once. --set model=... and --set data=... give what the configuration
    names only by name; other paths change the study's base experiment.
    """
    import yaml

    from heron_ray.spec import apply_overrides, parse_override, read_spec_file
    from heron_ray.studies import expand, parse_study
    from heron_ray.studies.byzfl import import_byzfl

    changes = [parse_override(text) for text in overrides]
    given: dict[str, Any] = {path: value for path, value in changes if path in ("model", "data")}
    study, notes = import_byzfl(read_spec_file(config), given, leave_out=leave_out)
    study["base"], dropped = apply_overrides(study["base"], changes)
    cells = expand(parse_study(study))
    path = out or config.with_suffix(".yaml")
    head = "".join(f"# {note}\n" for note in [f"From the ByzFL configuration {config.name}.", *notes, *dropped])
    path.write_text(head + yaml.safe_dump(study, sort_keys=False, width=120), encoding="utf-8")
    for note in [*notes, *dropped]:
        click.echo(f"note: {note}", err=True)
    impossible = sum(cell.spec is None for cell in cells)
    if as_json:
        print_json({"study": str(path), "cells": len(cells), "impossible": impossible, "notes": [*notes, *dropped]})
        return
    click.echo(f"{path}: {len(cells)} cells" + (f", {impossible} of them impossible" if impossible else ""))
