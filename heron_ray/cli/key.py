"""`heron key`: who else may use the service. It works on the database, so whoever can read that needs no key for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.domain.access import Scope
from heron_ray.cli.options import database_option, json_option, service_settings, state_dir_option
from heron_ray.cli.output import local_time, print_columns, print_json

if TYPE_CHECKING:
    from api.domain.keys import KeyRecord
    from api.store.keys import KeyStore


@click.group("key")
def command() -> None:
    """Make, list and revoke the API keys with which others may use the service."""


@command.command("create")
@click.option("--name", required=True, metavar="NAME", help="Whose it is, or what for: up to 200 characters.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.SUBMIT.value,
    show_default=True,
    help="read: look. submit: also submit, cancel, retry and change. admin: also delete.",
)
@database_option
@state_dir_option
@json_option
def create(name: str, scope: str, database: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Make an API key.

    Prints the key, which is kept nowhere and cannot be shown again. A running service knows it at once.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise click.BadParameter("a name is 1 to 200 printable characters", param_hint="--name")
    with _keys(database, state_dir) as keys:
        record, key = keys.create(name=name.strip(), scope=Scope(scope))
    if as_json:
        print_json({**_plain(record), "key": key})
        return
    click.echo(key)
    click.echo(f"made API key {record.id} ({record.name}, {record.scope}); it is shown this once only", err=True)


@command.command("list")
@database_option
@state_dir_option
@json_option
def list_keys(database: str | None, state_dir: Path | None, as_json: bool) -> None:
    """List the API keys, oldest first, without the keys themselves."""
    with _keys(database, state_dir) as keys:
        records = keys.list()
    if as_json:
        print_json({"keys": [_plain(record) for record in records]})
        return
    rows = [
        [
            record.id,
            record.name,
            record.scope.value,
            *("-" if at is None else local_time(at) for at in (record.created_at, record.last_used_at, record.revoked_at)),
        ]
        for record in records
    ]
    print_columns(["ID", "NAME", "SCOPE", "CREATED", "LAST USED", "REVOKED"], rows)


@command.command("revoke")
@click.argument("id")
@database_option
@state_dir_option
@json_option
def revoke(id: str, database: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Revoke an API key.

    A running service lets it in for two more seconds at most. It stays in the list.
    """
    with _keys(database, state_dir) as keys:
        record = keys.revoke(id)
    if as_json:
        print_json(_plain(record))
    else:
        click.echo(f"revoked {record.id} ({record.name})")


@contextmanager
def _keys(database: str | None, state_dir: Path | None) -> Iterator[KeyStore]:
    from api.store import Store
    from heron_ray.errors import ServiceError

    settings = service_settings(database, state_dir)
    if settings.database is None:
        try:
            settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            message = f"the state directory {settings.state_dir} cannot be used: {error}"
            raise ServiceError(message, hint="choose another with --state-dir") from None
    store = Store.open(settings.database_url)
    try:
        yield store.keys
    finally:
        store.close()


def _plain(record: KeyRecord) -> dict[str, Any]:
    times = {time: getattr(record, time) for time in ("created_at", "last_used_at", "revoked_at")}
    return {
        "id": record.id,
        "name": record.name,
        "scope": record.scope.value,
        **{time: None if at is None else at.isoformat() for time, at in times.items()},
    }
