"""Brings a database to the newest schema, and refuses one that is not ours or is from the future."""

from __future__ import annotations

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
    name = engine.url.render_as_string(hide_password=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    try:
        with engine.connect() as connection:
            current = _revision(connection, script, name)
        use_write_ahead_log(engine)
        if current == script.get_current_head():
            return
        with writer(engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
            if _revision(connection, script, name) != script.get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except DBAPIError as error:
        cause = " ".join(str(error.orig).split())
        hint = "check that it can be reached, read and written" if isinstance(error, OperationalError) else None
        raise DatabaseError(f"cannot open the database {name}: {cause}", hint=hint) from error


def _revision(connection: Connection, script: ScriptDirectory, name: str) -> str | None:
    """The schema revision found, None for an empty database. Raises DatabaseError where it is not one of ours."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        tables = inspect(connection).get_table_names()
        if set(tables) - {"alembic_version"}:
            raise DatabaseError(
                f"{name} is not a heron-ray database: it holds {', '.join(sorted(tables)[:5])}",
                hint="give heron-ray a database of its own",
            )
    elif revision not in {known.revision for known in script.walk_revisions()}:
        raise DatabaseError(
            f"the database {name} was written by a newer heron-ray: its schema revision {revision} is unknown here"
            f" (newest known: {script.get_current_head()})",
            hint="upgrade heron-ray, or use another database",
        )
    return revision
