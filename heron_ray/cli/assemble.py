"""`heron assemble`: front and back of a language model put together again."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.new_folder import new_folder
from heron_ray.cli.newest_checkpoint import newest_checkpoint
from heron_ray.cli.options import json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_json


@click.command("assemble")
@spec_argument
@click.argument("checkpoints", type=click.Path(exists=True, file_okay=False, path_type=Path))
@set_option
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Where to."
)
@json_option
def command(spec: Path, checkpoints: Path, overrides: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Write a checkpoint's language model as transformers and peft load it.

    CHECKPOINTS is what `heron run SPEC --checkpoint-dir CHECKPOINTS` kept; the newest is taken. Of a model with adapters the
    adapters are written, and where nobody has the model they adapt, that model too.
    """
    found = load(spec, overrides)
    new_folder(output)
    checkpoint = newest_checkpoint(found, checkpoints)
    from heron_ray.simulation.assemble import assemble

    assemble(found, checkpoint, output)
    if as_json:
        print_json({"folder": str(output), "round": checkpoint.round})
        return
    click.echo(f"wrote the model after round {checkpoint.round} to {output}")
