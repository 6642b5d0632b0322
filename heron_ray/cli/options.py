"""Arguments and options that several verbs share."""

from __future__ import annotations

import re
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


def _check_key(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[\x21-\x7e]{1,200}", value):
        raise click.BadParameter("a key is 1 to 200 visible ASCII characters without spaces")
    return value


key_option = click.option(
    "--idempotency-key",
    metavar="KEY",
    callback=_check_key,
    help="A name of your choice for this submission: submitted again under it, the experiment is found and not made twice.",
)


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


def load(path: Path, overrides: tuple[str, ...]) -> ExperimentSpec:
    """The spec in a file with the overrides applied; says on stderr which fields an override dropped. Raises SpecError."""
    from heron_ray.spec import load_spec

    spec, notes = load_spec(path, overrides)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return spec
