"""Check: whether the database is sound, and whether what it says of the experiments can be true. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from api.store.migrate import name_of, newest_revision
from api.store.sweep_table import SweepRow
from api.store.upkeep.fault import Fault
from api.store.upkeep.invariants import INVARIANTS
from api.store.upkeep.opening import snapshot
from api.store.upkeep.orphans import orphans
from heron_ray.errors import DatabaseError

# Of each kind; a database that is broken all over is not listed row by row.
MOST_FAULTS = 1000


def check(url: str) -> list[Fault]:
    """Every fault found, up to 1,000 of a kind, by experiment; the database may be in use.

    Raises:
        DatabaseError: The database cannot be opened, is not one of heron-ray's, or does not have the newest schema.
    """
    with snapshot(url) as (connection, revision):
        if revision != newest_revision():
            found = "is empty" if revision is None else f"has schema {revision}"
            raise DatabaseError(
                f"the database {name_of(connection.engine)} {found}; the check knows schema {newest_revision()}",
                hint="bring it there first: heron db upgrade",
            )
        faults = list(_integrity(connection)) or list(_schema(connection))
        if not faults:
            # Questions to a damaged or foreign schema would only fail.
            faults = [*orphans(connection, MOST_FAULTS), *_invariants(connection)]
    return sorted(faults, key=lambda fault: (fault.experiment or "", fault.rule))


def _integrity(connection: Connection) -> Iterator[Fault]:
    """What SQLite itself says of the file; PostgreSQL has no such question."""
    if connection.dialect.name == "sqlite":
        try:
            lines = [str(line) for (line,) in connection.execute(text(f"PRAGMA integrity_check({MOST_FAULTS})"))]
        except DBAPIError as error:
            lines = [str(error.orig)]
        yield from (Fault(rule="integrity", message=line) for line in lines if line != "ok")


def _schema(connection: Connection) -> Iterator[Fault]:
    """Where tables, columns and indexes are not those that the migrations make."""
    for difference in compare_metadata(MigrationContext.configure(connection), SweepRow.metadata):
        steps = difference if isinstance(difference, list) else [difference]
        for kind, *what in steps:
            names = [str(getattr(part, "name", part)) for part in what if part is not None]
            yield Fault(rule="schema", message=f"to be as expected it needs: {kind} {' '.join(names)}")


def _invariants(connection: Connection) -> Iterator[Fault]:
    for invariant in INVARIANTS:
        broken = connection.execute(invariant.broken.limit(MOST_FAULTS).execution_options(yield_per=100))
        for id, *details in broken:
            yield Fault(experiment=id, rule=invariant.rule, message=invariant.message.format(*details))
