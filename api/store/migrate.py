"""Brings a database to the newest schema, and refuses one that is not ours or is from the future."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from api.store.engine import use_write_ahead_log, writer
from heron_ray.errors import DatabaseError

# Any fixed number: processes that open one PostgreSQL database at the same moment migrate it one after another.
ADVISORY_LOCK = 0x4845524F


def migrate(engine: Engine) -> None:
    """Create or upgrade the schema.

    Raises:
        DatabaseError: The database cannot be opened, is not one of heron-ray's, or was written by a newer version.
    """
    with opening(engine):
        with engine.connect() as connection:
            current = current_revision(connection)
        use_write_ahead_log(engine)
        if current == newest_revision():
            return
        with writer(engine).begin() as connection:
            lock_schema(connection)
            if current_revision(connection) != newest_revision():
                upgrade_to(connection, newest_revision())


@contextmanager
def opening(engine: Engine) -> Iterator[None]:
    """Turn the errors of a first connection into DatabaseError, which names the database."""
    try:
        yield
    except DBAPIError as error:
        cause = " ".join(str(error.orig).split())
        hint = "check that it can be reached, read and written" if isinstance(error, OperationalError) else None
        raise DatabaseError(f"cannot open the database {name_of(engine)}: {cause}", hint=hint) from error


def name_of(engine: Engine) -> str:
    """The database's URL without its password."""
    return engine.url.render_as_string(hide_password=True)


def newest_revision() -> str:
    """The schema revision that this version of heron-ray works with."""
    (head,) = _script().get_heads()
    return head


def known_revisions() -> list[str]:
    """Every schema revision, oldest first."""
    return [known.revision for known in _script().walk_revisions()][::-1]


def current_revision(connection: Connection) -> str | None:
    """The schema revision found, None for an empty database. Raises DatabaseError where it is not one of ours."""
    name = name_of(connection.engine)
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        tables = inspect(connection).get_table_names()
        if set(tables) - {"alembic_version"}:
            raise DatabaseError(
                f"{name} is not a heron-ray database: it holds {', '.join(sorted(tables)[:5])}",
                hint="give heron-ray a database of its own",
            )
    elif revision not in known_revisions():
        raise DatabaseError(
            f"the database {name} was written by a newer heron-ray: its schema revision {revision} is unknown here"
            f" (newest known: {newest_revision()})",
            hint="upgrade heron-ray, or use another database",
        )
    return revision


def lock_schema(connection: Connection) -> None:
    """Let nobody else change the schema until the transaction ends; SQLite's writer is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run the migrations up to a revision in the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
