"""Arguments and options that several verbs share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from api.supervisor.settings import ServiceSettings
    from heron_ray.spec import ExperimentSpec

DEFAULT_URL = "http://127.0.0.1:8000"
KEY_VARIABLE = "HERON_API_KEY"

spec_argument = click.argument("spec", type=click.Path(path_type=Path))
id_argument = click.argument("id")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a field by its dotted path before validation; the value is YAML. May be repeated.",
)
checkpoint_option = click.option(
    "--checkpoint",
    "checkpoint_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Look at the newest checkpoint in DIR, which `heron run --checkpoint-dir DIR` kept.  [default: the initial model]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")


def _check_idempotency_key(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[\x21-\x7e]{1,200}", value):
        raise click.BadParameter("a key is 1 to 200 visible ASCII characters without spaces")
    return value


idempotency_option = click.option(
    "--idempotency-key",
    metavar="KEY",
    callback=_check_idempotency_key,
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

database_option = click.option(
    "--database", metavar="URL", help="sqlite:////path/file.db or postgresql://... Default: SQLite in the state dir."
)
state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the service keeps everything. Default: heron-ray in $XDG_STATE_HOME or ~/.local/state.",
)


def service_settings(database: str | None, state_dir: Path | None) -> ServiceSettings:
    """What `heron serve` would use with the same two options; with neither, the database of $HERON_DATABASE.

    The variable is set where parts of the service run apart: its URL may hold a password, which is no argument.
    """
    from api.supervisor.settings import ServiceSettings, default_state_dir

    if database is None and state_dir is None:
        database = os.environ.get("HERON_DATABASE")
    return ServiceSettings(state_dir=state_dir or default_state_dir(), database=database)


def _read_key(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> str | None:
    """The key itself is never an argument: everyone on this machine can see those. Nor is it part of any message."""
    origin = KEY_VARIABLE if file is None else str(file)
    try:
        key = os.environ.get(KEY_VARIABLE, "") if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{origin} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
    key = key.strip()
    if file is None and not key:
        return None
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise click.BadParameter(f"what {origin} holds is not an API key")
    return key


key_option = click.option(
    "--key-file",
    "key",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_read_key,
    metavar="FILE",
    help=f"File that holds an API key; a service on another machine asks for one. Default: the key in ${KEY_VARIABLE}.",
)


def load(path: Path, overrides: tuple[str, ...]) -> ExperimentSpec:
    """The spec in a file with the overrides applied; says on stderr which fields an override dropped. Raises SpecError."""
    from heron_ray.spec import load_spec

    spec, notes = load_spec(path, overrides)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return spec
