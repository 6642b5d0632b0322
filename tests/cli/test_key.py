from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from api.domain.access import Scope
from api.domain.policy import Policy
from api.settings import Settings
from heron_ray.cli.main import VERBS
from heron_ray.cli.main import heron as group
from heron_ray.client import Client
from heron_ray.errors import ForbiddenError, PolicyError, TooManyRequestsError, UnauthenticatedError
from tests.cli.conftest import SPEC, Service


@pytest.fixture
def where(tmp_path: Path) -> tuple[str, str]:
    return "--state-dir", str(tmp_path / "state")


def test_a_key_is_printed_once_and_listed_without_itself(heron, where) -> None:
    made = heron("key", "create", "--name", "laptop", *where)
    key = made.stdout.strip()
    assert made.code == 0
    assert re.fullmatch(r"heron_[A-Za-z0-9_-]{32,}", key)
    assert key not in made.stderr
    listed = heron("key", "list", *where)
    assert "laptop" in listed.stdout
    assert "submit" in listed.stdout
    assert key not in listed.stdout


def test_every_command_has_its_object(heron, where) -> None:
    made = heron("key", "create", "--name", "laptop", "--scope", "admin", *where, "--json").object
    assert set(made) == {"id", "name", "scope", "created_at", "last_used_at", "revoked_at", "key"}
    revoked = heron("key", "revoke", made["id"], *where, "--json").object
    assert revoked["revoked_at"] is not None
    assert heron("key", "list", *where, "--json").object == {"keys": [revoked]}


def test_keys_are_made_in_the_database_that_is_named(heron, tmp_path, monkeypatch) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    id = heron("key", "create", "--name", "a", "--database", url, "--json").object["id"]
    monkeypatch.setenv("HERON_DATABASE", url)
    assert [key["id"] for key in heron("key", "list", "--json").object["keys"]] == [id]
    assert heron("key", "list", "--state-dir", tmp_path / "state", "--json").object == {"keys": []}


def test_revoking_an_unknown_key_is_not_found(heron, where) -> None:
    outcome = heron("key", "revoke", "nonesuch", *where, "--json")
    assert outcome.code == 3
    assert outcome.object["error"]["code"] == "not_found"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb"])
def test_a_name_that_cannot_be_listed_is_bad_usage(heron, where, name) -> None:
    assert heron("key", "create", "--name", name, *where).code == 2


def test_a_state_directory_that_cannot_be_made_is_named(heron, tmp_path) -> None:
    (tmp_path / "file").touch()
    outcome = heron("key", "list", "--state-dir", tmp_path / "file" / "state")
    assert outcome.code == 1
    assert "file/state" in outcome.stderr


def test_every_verb_that_talks_to_a_service_takes_a_key_file_and_no_key() -> None:
    context = click.Context(group)
    for verb in VERBS:
        command = group.get_command(context, verb)
        assert command is not None
        leaves = command.commands.values() if isinstance(command, click.Group) else [command]
        for leaf in leaves:
            options = {name for parameter in leaf.params for name in parameter.opts}
            assert ("--url" in options) == ("--key-file" in options), verb
            assert "--key" not in options


@pytest.fixture
def key(store) -> str:
    return store.keys.create(name="test", scope=Scope.READ)[1]


@pytest.mark.parametrize("way", ["file", "variable"])
def test_a_key_comes_from_a_file_or_from_the_environment(heron, service, key, way, tmp_path, monkeypatch) -> None:
    """A key that is presented is checked on this machine too, so that a verb with scope read may look and not submit."""
    arguments = []
    if way == "file":
        (tmp_path / "key").write_text(f"{key}\n", encoding="utf-8")
        arguments = ["--key-file", tmp_path / "key"]
    else:
        monkeypatch.setenv("HERON_API_KEY", key)
    assert heron("ps", *arguments).code == 0
    refused = heron("cancel", "0123abcd", *arguments, "--json")
    assert refused.code == 6
    assert refused.object["error"]["code"] == "forbidden"
    assert "heron key create --scope submit" in refused.object["error"]["hint"]
    assert key not in refused.stdout + refused.stderr


def test_a_wrong_key_is_an_error_that_names_the_way_out_and_not_the_key(heron, service, monkeypatch) -> None:
    monkeypatch.setenv("HERON_API_KEY", "heron_mistyped-secret")
    outcome = heron("ps", "--json")
    assert outcome.code == 6
    assert outcome.object["error"]["code"] == "unauthenticated"
    assert "HERON_API_KEY" in outcome.object["error"]["hint"]
    assert "mistyped-secret" not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"two words", b"heron_\xc3\xa9", b"a\nb"])
def test_a_file_without_a_key_is_bad_usage(heron, service, tmp_path, content) -> None:
    (tmp_path / "key").write_bytes(content)
    outcome = heron("ps", "--key-file", tmp_path / "key")
    assert outcome.code == 2
    assert "Traceback" not in outcome.stderr


def test_a_key_file_that_is_not_there_is_named(heron, service, tmp_path) -> None:
    outcome = heron("ps", "--key-file", tmp_path / "absent")
    assert outcome.code == 2
    assert "absent" in outcome.stderr


def test_refusals_come_back_as_errors_of_their_own(store, key) -> None:
    strict = Settings(rate_limit=0.001, policy=Policy(max_rounds=2))
    running = Service(store, strict)
    try:
        with Client(running.url) as client, pytest.raises(PolicyError) as large:
            client.submit(SPEC)
        with Client(running.url, key=key) as client:
            with pytest.raises(ForbiddenError):
                client.submit(SPEC)
            with pytest.raises(TooManyRequestsError) as often:
                next(client.list())
        with Client(running.url, key="heron_wrong") as client, pytest.raises(UnauthenticatedError):
            list(client.follow("0123abcd"))
    finally:
        running.stop()
    assert [issue.path for issue in large.value.issues] == ["rounds"]
    assert often.value.retry_after_s > 900
