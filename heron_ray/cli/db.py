"""`heron db`: looking after the service's database. It needs no service, and disturbs none that runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from heron_ray.cli.failure import FAILED
from heron_ray.cli.options import database_option, json_option, service_settings, state_dir_option
from heron_ray.cli.output import print_columns, print_json, size


@click.group("db")
def command() -> None:
    """Upgrade, check, back up and restore the service's database."""


@command.command("upgrade")
@database_option
@state_dir_option
@json_option
def upgrade_schema(database: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Bring the database to the newest schema.

    A copy of an SQLite file is kept beside it, named with its revision and the time. Starting the service upgrades too.
    """
    from api.store.upkeep import upgrade

    done = upgrade(service_settings(database, state_dir).database_url)
    if as_json:
        print_json({"before": done.before, "after": done.after, "copy": None if done.copy is None else str(done.copy)})
    elif done.before == done.after:
        click.echo(f"schema {done.after} is the newest")
    else:
        click.echo(f"upgraded from {done.before} to {done.after}" if done.before else f"created schema {done.after}")
        if done.copy is not None:
            click.echo(f"as it was: {done.copy}")


@command.command("check")
@database_option
@state_dir_option
@json_option
def check_database(database: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Check that the database is sound and contradicts itself nowhere.

    Only reads, and may be done while the service runs. Exits 1 where a fault was found.
    """
    from api.store.upkeep import check

    faults = check(service_settings(database, state_dir).database_url)
    if as_json:
        print_json({"faults": [dataclasses.asdict(fault) for fault in faults]})
    elif faults:
        rows = [[fault.experiment or "-", fault.rule, fault.message] for fault in faults]
        print_columns(["EXPERIMENT", "RULE", "FAULT"], rows)
    else:
        click.echo("no fault found")
    if faults:
        raise click.exceptions.Exit(FAILED)


@command.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@database_option
@state_dir_option
@json_option
def write_backup(file: Path, database: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Write all that the database holds at this moment to a new FILE.

    May be done while the service runs. The file can be restored into SQLite and into PostgreSQL.
    """
    from api.store.upkeep import back_up

    done = back_up(service_settings(database, state_dir).database_url, file)
    if as_json:
        print_json({**dataclasses.asdict(done), "path": str(done.path)})
    else:
        click.echo(f"{done.path}: {sum(done.rows.values()):,} rows, {size(done.size_bytes)}, schema {done.revision}")


@command.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@database_option
@state_dir_option
@json_option
def restore_backup(file: Path, database: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Fill an empty database from a backup FILE.

    The whole file is verified first, and all of it is restored or nothing. Stop the service before.
    """
    from api.store.upkeep import restore

    done = restore(file, service_settings(database, state_dir).database_url)
    if as_json:
        print_json(dataclasses.asdict(done))
    else:
        upgraded = "" if done.revision == done.upgraded_to else f", upgraded from {done.revision}"
        click.echo(f"restored {sum(done.rows.values()):,} rows, schema {done.upgraded_to}{upgraded}")
