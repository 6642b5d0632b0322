"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from heron_ray.spec import ExperimentSpec

DEFAULT_URL = "http://127.0.0.1:8000"

spec_argument = click.argument("spec", type=click.Path(path_type=Path))
id_argument = click.argument("id")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a field by its dotted path before validation; the value is YAML. May be repeated.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")


def _check_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        parts = urlsplit(value)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named:
        raise click.BadParameter(f"{value!r} is not an address such as {DEFAULT_URL}")
    return value.rstrip("/")


url_option = click.option(
    "--url",
    envvar="HERON_URL",
    default=DEFAULT_URL,
    show_default=True,
    show_envvar=True,
    callback=_check_url,
    help="Where the service answers.",
)

database_option = click.option(
    "--database", metavar="URL", help="sqlite:////path/file.db or postgresql://... Default: SQLite in the state dir."
)
state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the service keeps everything. Default: heron-ray in $XDG_STATE_HOME or ~/.local/state.",
)


def database_url(database: str | None, state_dir: Path | None) -> str:
    """The URL of the database that `heron serve` would use with the same two options."""
    from api.supervisor.settings import ServiceSettings, default_state_dir

    return ServiceSettings(state_dir=state_dir or default_state_dir(), database=database).database_url


def load(path: Path, overrides: tuple[str, ...]) -> ExperimentSpec:
    """The spec in a file with the overrides applied; says on stderr which fields an override dropped. Raises SpecError."""
    from heron_ray.spec import load_spec

    spec, notes = load_spec(path, overrides)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return spec
