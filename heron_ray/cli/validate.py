"""`heron validate`: is this spec good, and if not, what is wrong with it?"""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json


@click.command("validate")
@spec_argument
@set_option
@json_option
def command(spec: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check a spec and name every fault in it.

    With --json the answer holds the spec with every default filled in.
    """
    found = load(spec, overrides)
    hashes = {"spec_hash": found.spec_hash(), "trajectory_hash": found.trajectory_hash()}
    if as_json:
        print_json({"valid": True, "name": found.name, **hashes, "spec": found.canonical()})
    else:
        print_fields({"valid": found.name, **{name.replace("_", " "): value for name, value in hashes.items()}})
