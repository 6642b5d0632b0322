"""The verbs of `heron study` that talk to a service."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import id_argument, idempotency_option, json_option, key_option, set_option, url_option
from heron_ray.cli.output import local_time, print_columns, print_json
from heron_ray.cli.study_table import print_rows, rows_in


@click.command("submit")
@click.argument("study", type=click.Path(path_type=Path))
@set_option
@click.option("--tag", "tags", multiple=True, help="A label of every experiment. May be repeated.")
@idempotency_option
@url_option
@key_option
@json_option
def submit(
    study: Path,
    overrides: tuple[str, ...],
    tags: tuple[str, ...],
    idempotency_key: str | None,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Submit every cell of a study to the service, all of them or none; prints the study's id."""
    from heron_ray.client import Client
    from heron_ray.studies import read_study

    found = read_study(study, overrides)
    with Client(url, key=key) as client:
        submitted = client.submit_study(found.model_dump(mode="json"), tags, idempotency_key=idempotency_key)
    if as_json:
        print_json(submitted.raw)
        return
    click.echo(submitted.id)
    click.echo(f"{submitted.experiments} experiments; look at them with: heron study show {submitted.id}", err=True)


@click.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many.")
@url_option
@key_option
@json_option
def list_them(limit: int, url: str, key: str | None, as_json: bool) -> None:
    """List studies, newest first."""
    import itertools

    from heron_ray.client import Client

    with Client(url, key=key) as client:
        studies = list(itertools.islice(client.list_studies(), limit))
    if as_json:
        print_json({"studies": [study.raw for study in studies]})
        return
    rows = [
        [study.id, study.name, f"{study.ended} of {study.cells}", str(study.experiments), local_time(study.created_at)]
        for study in studies
    ]
    print_columns(["ID", "NAME", "ENDED", "EXPERIMENTS", "SUBMITTED"], rows)


@click.command("show")
@id_argument
@url_option
@key_option
@json_option
def show(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Show one study: means and ranges over seeds, and how many cells are in each state."""
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        study = client.get_study(id)
    if as_json:
        print_json(study.raw)
    else:
        print_rows(rows_in(study))


@click.command("cancel")
@id_argument
@url_option
@key_option
@json_option
def cancel(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Cancel every experiment of a study that has not ended."""
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        study = client.cancel_study(id)
    if as_json:
        print_json(study.raw)
    else:
        print_rows(rows_in(study))


@click.command("fetch")
@id_argument
@click.option("--out", "-o", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder for it all.")
@url_option
@key_option
@json_option
def fetch(id: str, out: Path, url: str, key: str | None, as_json: bool) -> None:
    """Write a study's tables and figures to a folder, as `heron study run` does."""
    from heron_ray.client import Client
    from heron_ray.studies import parse_study
    from heron_ray.studies.report import write_report

    with Client(url, key=key) as client:
        study = client.get_study(id)
    files = write_report(parse_study(study.study), rows_in(study), out)
    if as_json:
        print_json({"id": id, "states": study.states, "files": [str(path) for path in files]})
        return
    for path in files:
        click.echo(str(path))
