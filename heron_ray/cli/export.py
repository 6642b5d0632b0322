"""`heron export`: every point of runs as a CSV or Parquet file, or for TensorBoard, MLflow or W&B."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import print_json, size


@click.command("export")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True, help="What to write."
)
@click.option("-o", "--output", metavar="FILE", help="Where to; `-` writes CSV to stdout.")
@click.option(
    "--tensorboard",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write for TensorBoard instead, in a folder for each run below DIR.",
)
@click.option("--mlflow", metavar="URI", help="Tell an MLflow server, such as http://127.0.0.1:5000, instead.")
@click.option(
    "--wandb",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write offline runs of Weights & Biases below DIR instead, for `wandb sync`.",
)
@url_option
@key_option
@json_option
def command(
    runs: tuple[str, ...],
    file_format: str,
    output: str | None,
    tensorboard: Path | None,
    mlflow: str | None,
    wandb: Path | None,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Write every point of runs to a file: experiment, series, round, value.

    RUN is the id of an experiment of the service, the folder of `heron run --out`, or a file of `heron run --events`. Points
    that TensorBoard or MLflow have from an earlier export are not written again; a run of W&B takes an earlier one's place.
    """
    trackers = {"tensorboard": tensorboard, "mlflow": mlflow, "wandb": wandb}
    if (output is not None) == any(place is not None for place in trackers.values()):
        raise click.UsageError("say where to: -o FILE, or --tensorboard DIR, --mlflow URI and --wandb DIR")
    if output is None:
        _track(runs, url, key, trackers, as_json=as_json)
        return
    if output == "-" and (file_format != "csv" or as_json):
        raise click.UsageError("stdout takes CSV alone: name a file with -o for Parquet, or to have --json")
    chunks = _chunks(runs, url, key, file_format)
    if output == "-":
        for chunk in chunks:
            click.echo(chunk, nl=False)
        return
    path = Path(output)
    written = write_chunks(chunks, path)
    if as_json:
        print_json({"file": str(path), "format": file_format, "bytes": written, "experiments": list(runs)})
    else:
        click.echo(f"{path}: {size(written)}")


def _track(runs: tuple[str, ...], url: str, key: str | None, trackers: Mapping[str, Any], *, as_json: bool) -> None:
    from heron_ray.cli.runs import records_of
    from heron_ray.cli.tracking import run_of, trackers_of
    from heron_ray.trackers import tell

    for record in records_of(runs, url, key):
        for tracker in trackers_of(run_of(record), **trackers):
            tell(tracker, record)
        if not as_json:
            click.echo(f"{record.name}: {sum(len(curve['rounds']) for curve in record.series.values()):,} points")
    if as_json:
        places = {name: None if place is None else str(place) for name, place in trackers.items()}
        print_json({**places, "experiments": list(runs)})


def _chunks(runs: tuple[str, ...], url: str, key: str | None, file_format: str) -> Iterator[bytes]:
    """The file in pieces: as the service sends it, or of runs of this machine."""
    from heron_ray.reports import is_local

    local = [run for run in runs if is_local(run)]
    if not local:
        from heron_ray.client import Client

        with Client(url, key=key) as client:
            yield from client.export(runs, file_format=file_format)
        return
    from heron_ray.cli.runs import records_of
    from heron_ray.reports.points import points_csv, points_parquet

    records = records_of(runs, url, key)
    yield points_csv(records).encode() if file_format == "csv" else points_parquet(records)


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
