"""`heron report`: runs as one page that opens without a network."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import print_json, size


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE.html",
    help="Where to; about 5 MB.",
)
@click.option("--title", help="The page's heading.  [default: the runs' names]")
@url_option
@key_option
@json_option
def command(runs: tuple[str, ...], output: Path, title: str | None, url: str, key: str | None, as_json: bool) -> None:
    """Write one HTML page with the figures, costs, specs and provenance of runs.

    RUN is the id of an experiment of the service, the folder of `heron run --out` or `heron download`, or a file of
    `heron run --events`. The page carries all it needs and loads nothing. Costs stand beside those of the first-order twin,
    where the method has one.
    """
    from heron_ray.cli.runs import records_of
    from heron_ray.files import write_whole
    from heron_ray.reports.page import report_page

    page = report_page(records_of(runs, url, key, with_provenance=True), title=title)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, page)
    except OSError as error:
        raise click.UsageError(f"cannot write {output}: {error.strerror}") from None
    if as_json:
        print_json({"file": str(output), "bytes": output.stat().st_size})
    else:
        click.echo(f"{output}: {size(output.stat().st_size)}")
