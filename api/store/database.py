"""`Database`: transactions on one pool of connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from api.store.engine import translated_errors, writer


class Database:
    """A migrated database. Each method of what derives from it is one transaction. Thread safe."""

    def __init__(self, engine: Engine) -> None:
        """Share one pool between readers and writers."""
        self._engine = engine
        self._writer = writer(engine)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with translated_errors(), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with translated_errors(), Session(self._writer) as session, session.begin():
            yield session
