"""`heron download`: the files that an experiment left behind, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from heron_ray.cli.options import id_argument, json_option, key_option, url_option
from heron_ray.cli.output import print_json
from heron_ray.errors import NotFoundError

if TYPE_CHECKING:
    from heron_ray.client import Artifact


@click.command("download")
@id_argument
@click.argument("names", nargs=-1)
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to put them.  [default: the current directory]",
)
@url_option
@key_option
@json_option
def command(id: str, names: tuple[str, ...], directory: Path, url: str, key: str | None, as_json: bool) -> None:
    """Download files that an experiment left behind.

    All of them, or those that are named as `heron artifacts` names them. What an interrupted download brought is kept in
    NAME.part and not sent again. Every file is checked against its SHA-256 before it gets its name.
    """
    from heron_ray.cli.fetching import fetch
    from heron_ray.client import Client

    paths = []
    with Client(url, key=key) as client:
        for artifact in _chosen(client.artifacts(id), names, id):
            path = fetch(client, id, artifact, directory)
            paths.append(str(path))
            if not as_json:
                click.echo(path)
    if as_json:
        print_json({"files": paths})


def _chosen(found: tuple[Artifact, ...], names: tuple[str, ...], id: str) -> list[Artifact]:
    known = {artifact.name: artifact for artifact in found}
    missing = [name for name in names if name not in known]
    if missing or not known:
        has = ", ".join(known) or "none: it has not ended, or ended before its first checkpoint"
        raise NotFoundError(f"experiment {id} has no artifact {', '.join(missing)}".rstrip(), hint=f"its artifacts: {has}")
    return [known[name] for name in names or known]
