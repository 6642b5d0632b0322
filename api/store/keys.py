"""`KeyStore`: the API keys. Only their hashes are here, so the database lets nobody in."""

from __future__ import annotations

import builtins
import secrets
from datetime import timedelta

from sqlalchemy import or_, select, update

from api.domain.access import Scope
from api.domain.keys import KeyRecord, hash_of, new_key
from api.store.database import Database
from api.store.engine import now
from api.store.tables import ApiKeyRow
from heron_ray.errors import NotFoundError

# How exact `last_used_at` is.
USED_WITHIN_S = 60.0


class KeyStore(Database):
    """The record of all API keys. `Store.keys` is one over the same database."""

    def create(self, *, name: str, scope: Scope) -> tuple[KeyRecord, str]:
        """Make a key; the second is the key itself, which cannot be had again."""
        key = new_key()
        with self._writing() as session:
            row = ApiKeyRow(id=secrets.token_hex(8), name=name, hash=hash_of(key), scope=scope.value, created_at=now(session))
            session.add(row)
            session.flush()
            return row.to_record(), key

    def list(self) -> builtins.list[KeyRecord]:
        """Every key, oldest first; those that were revoked too."""
        with self._reading() as session:
            rows = session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id))
            return [row.to_record() for row in rows]

    def any_valid(self) -> bool:
        """Whether some key lets somebody in."""
        with self._reading() as session:
            return session.scalar(select(ApiKeyRow.id).where(ApiKeyRow.revoked_at.is_(None)).limit(1)) is not None

    def find(self, key: str) -> KeyRecord | None:
        """The key that somebody presents; None where there is none, or it was revoked."""
        statement = select(ApiKeyRow).where(ApiKeyRow.hash == hash_of(key), ApiKeyRow.revoked_at.is_(None))
        with self._reading() as session:
            row = session.scalar(statement)
            return None if row is None else row.to_record()

    def used(self, id: str) -> None:
        """Note that a key was used just now, unless that was noted less than a minute ago."""
        with self._writing() as session:
            at = now(session)
            is_due = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at <= at - timedelta(seconds=USED_WITHIN_S))
            session.execute(update(ApiKeyRow).where(ApiKeyRow.id == id, is_due).values(last_used_at=at))

    def revoke(self, id: str) -> KeyRecord:
        """Let a key let nobody in any more; asking twice is no error. Raises NotFoundError."""
        with self._writing() as session:
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.id == id).with_for_update())
            if row is None:
                raise NotFoundError(f"there is no API key {id!r}", hint="heron key list shows them")
            row.revoked_at = row.revoked_at or now(session)
            return row.to_record()
