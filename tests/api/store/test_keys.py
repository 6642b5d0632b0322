import hashlib
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from api.domain.access import Scope
from heron_ray.errors import NotFoundError


def test_a_key_is_found_by_itself_and_by_nothing_else(store):
    record, key = store.keys.create(name="laptop", scope=Scope.SUBMIT)
    assert re.fullmatch(r"heron_[A-Za-z0-9_-]{32,}", key)
    assert store.keys.find(key) == record
    assert (record.name, record.scope, record.last_used_at, record.revoked_at) == ("laptop", Scope.SUBMIT, None, None)
    for other in ("", key[:-1], key + "x", record.id, hashlib.sha256(key.encode()).hexdigest(), "\ud800"):
        assert store.keys.find(other) is None


def test_of_a_key_only_its_hash_is_kept(store):
    _, key = store.keys.create(name="laptop", scope=Scope.READ)
    with store._engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM api_key")).mappings()
    assert row["hash"] == hashlib.sha256(key.encode()).hexdigest()
    assert key not in map(str, row.values())


def test_keys_are_listed_oldest_first_with_those_that_were_revoked(store):
    first, _ = store.keys.create(name="a", scope=Scope.READ)
    second, _ = store.keys.create(name="a", scope=Scope.ADMIN)
    store.keys.revoke(first.id)
    assert [(record.id, record.revoked_at is None) for record in store.keys.list()] == [(first.id, False), (second.id, True)]


def test_a_revoked_key_lets_nobody_in_and_stays_as_it_was_revoked(store):
    record, key = store.keys.create(name="a", scope=Scope.READ)
    assert store.keys.any_valid()
    revoked = store.keys.revoke(record.id)
    assert store.keys.find(key) is None
    assert not store.keys.any_valid()
    assert store.keys.revoke(record.id) == revoked


def test_an_unknown_key_cannot_be_revoked(store):
    with pytest.raises(NotFoundError, match="nonesuch"):
        store.keys.revoke("nonesuch")


def test_a_use_is_noted_once_a_minute(store):
    record, _ = store.keys.create(name="a", scope=Scope.READ)
    store.keys.used(record.id)
    (first,) = store.keys.list()
    store.keys.used(record.id)
    assert store.keys.list() == [first]
    long_ago = first.last_used_at - timedelta(seconds=61)
    with store._engine.begin() as connection:
        literal = long_ago.strftime("%Y-%m-%d %H:%M:%S.%f") + ("" if connection.dialect.name == "sqlite" else "+00")
        connection.execute(text("UPDATE api_key SET last_used_at = :at"), {"at": literal})
    store.keys.used(record.id)
    (again,) = store.keys.list()
    assert again.last_used_at >= first.last_used_at


def test_an_experiment_remembers_the_key_that_it_was_submitted_with(store, make_spec):
    first = store.submit(make_spec(), submitted_by="k1")
    assert first.submitted_by == "k1"
    assert store.submit_once(make_spec(), key="once", submitted_by="k2")[0].submitted_by == "k2"
    store.request_cancel(first.id)
    assert store.retry(first.id, submitted_by="k3")[0].submitted_by == "k3"
    assert store.retry(first.id, key="again", submitted_by="k4")[0].submitted_by == "k4"
    assert store.submit(make_spec()).submitted_by is None
