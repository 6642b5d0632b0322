"""`heron model`: trained models for use elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import print_json
from heron_ray.errors import NotFoundError, RecordError


@click.group("model")
def command() -> None:
    """Take a trained model elsewhere."""


@command.command("export")
@click.argument("run")
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Where to put them.",
)
@click.option("--client", type=click.IntRange(min=0), help="Whose model, where clients keep parts of their own.")
@url_option
@key_option
@json_option
def export(run: str, directory: Path, client: int | None, url: str, key: str | None, as_json: bool) -> None:
    """Write a trained model as programs that plain torch runs, with its tensors and a configuration.

    RUN is the id of an ended experiment of the service, or the folder of `heron run --out` or `heron download`. model.pt2 gives
    the main server's logits, client.pt2 those of the auxiliary head; neither needs heron-ray:
    torch.export.load("model.pt2").module()(x).
    """
    from heron_ray.cli.run_folder import MODEL
    from heron_ray.reports import is_local
    from heron_ray.reports.local import SPEC
    from heron_ray.simulation.program import export_programs
    from heron_ray.spec import load_spec

    source = Path(run)
    if is_local(run) and not ((source / MODEL).is_file() and (source / SPEC).is_file()):
        hint = "name the folder of `heron run --out DIR` or of `heron download ID -o DIR`"
        raise RecordError(f"{source} does not hold both {MODEL} and {SPEC}", hint=hint)
    directory.mkdir(parents=True, exist_ok=True)
    if not is_local(run):
        _fetch(run, directory, url, key)
        source = directory
    elif source.resolve() != directory.resolve():
        shutil.copyfile(source / MODEL, directory / MODEL)
    spec, _ = load_spec(source / SPEC)
    files = [directory / MODEL, *export_programs(spec, directory / MODEL, directory, client=client)]
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        click.echo(str(file))


def _fetch(id: str, directory: Path, url: str, key: str | None) -> None:
    """Raises NotFoundError where the experiment has left no model."""
    from heron_ray.cli.fetching import fetch
    from heron_ray.cli.run_folder import MODEL
    from heron_ray.client import Client
    from heron_ray.reports.local import SPEC

    with Client(url, key=key) as client:
        known = {artifact.name: artifact for artifact in client.artifacts(id)}
        if not {MODEL, SPEC} <= set(known):
            raise NotFoundError(
                f"experiment {id} has left no model", hint="it has not ended, or ended before its first checkpoint"
            )
        for name in (MODEL, SPEC):
            fetch(client, id, known[name], directory)
