"""`heron export`: every point of experiments as a CSV or Parquet file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import print_json, size


@click.command("export")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True, help="What to write."
)
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to; `-` writes CSV to stdout.")
@url_option
@key_option
@json_option
def command(ids: tuple[str, ...], file_format: str, output: str, url: str, key: str | None, as_json: bool) -> None:
    """Write every point of experiments to a file: experiment, series, round, value."""
    from heron_ray.client import Client

    if output == "-" and (file_format != "csv" or as_json):
        raise click.UsageError("stdout takes CSV alone: name a file with -o for Parquet, or to have --json")
    with Client(url, key=key) as client:
        chunks = client.export(ids, file_format=file_format)
        if output == "-":
            for chunk in chunks:
                click.echo(chunk, nl=False)
            return
        path = Path(output)
        written = write_chunks(chunks, path)
    if as_json:
        print_json({"file": str(path), "format": file_format, "bytes": written, "experiments": list(ids)})
    else:
        click.echo(f"{path}: {size(written)}")


def write_chunks(chunks: Iterator[bytes], path: Path) -> int:
    """Write a file whole or not at all; returns its bytes. Raises UsageError where it cannot be written."""
    first = next(chunks, b"")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as partial:
            try:
                partial.write(first)
                for chunk in chunks:
                    partial.write(chunk)
                written = partial.tell()
                partial.flush()
                os.fsync(partial.fileno())
                Path(partial.name).replace(path)
            except BaseException:
                Path(partial.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from None
    return written
