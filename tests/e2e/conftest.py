"""A browser, and a served API over a store that tests fill through its own methods: no Ray, no dispatcher."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from api.domain.artifacts import CHECKPOINT_MANIFEST, CHECKPOINT_STATE, LOG, ArtifactFile, ArtifactKind, attempt_folder
from api.domain.records import AttemptRecord
from api.domain.states import State
from api.routes import create_app
from api.routes.examples import example_spec
from api.routes.studies import EXAMPLE
from api.settings import Settings
from api.store import Store
from heron_ray.spec import parse_spec
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import resolve_space

CHROMIUM = Path("/usr/bin/chromium")
# A busy machine takes its time; nothing waits this long that will come at all.
PATIENCE_MS = 60_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def round_finished(round: int, rounds: int = 40) -> dict[str, Any]:
    """What the engine says after a round."""
    accuracy = 1 - math.exp(-round / 10)
    metrics = {
        "client_loss": 2 * math.exp(-round / 10),
        "server_loss": 2 * math.exp(-round / 9),
        "bytes_up": 1000.0,
        "bytes_down": 500.0,
        "test_accuracy": accuracy,
        "auxiliary_test_accuracy": 0.8 * accuracy,
        "messages": 20.0,
    }
    return {
        "kind": "round_finished",
        "key": f"round_finished:{round}",
        "round": round,
        "rounds": rounds,
        "metrics": metrics,
    }


@dataclass(frozen=True)
class Service:
    """A served API and the store beneath it."""

    url: str
    store: Store
    artifacts: Path

    def queue(self, name: str, *tags: str, **fields: Any) -> str:
        """Submit an experiment."""
        return self.store.submit(parse_spec({**example_spec(), "name": name, "rounds": 40, **fields}), tags).id

    def start(self, name: str, *tags: str, rounds: int = 0, **fields: Any) -> tuple[str, AttemptRecord]:
        """Bring an experiment to RUNNING, with some rounds finished; nothing else may be queued."""
        id = self.queue(name, *tags, **fields)
        claimed = self.store.claim(owner="dispatcher-1", lease_s=600)
        assert claimed is not None
        assert claimed[0].id == id
        attempt = claimed[1]
        self.store.running(attempt.id, attempt.token, driver_pid=4711, node="node-a")
        self.finish_rounds(attempt, *range(1, rounds + 1))
        return id, attempt

    def finish_rounds(self, attempt: AttemptRecord, *rounds: int) -> None:
        """Record what the engine says after these rounds."""
        self.store.record(attempt.id, attempt.token, events=[round_finished(round) for round in rounds])

    def load(self, attempt: AttemptRecord) -> None:
        """Record what the engine says once the data are partitioned."""
        report = {"clients": 2, "per_client": [[30, 0], [10, 20]], "mean_total_variation": 0.25, "note": None}
        started = {"kind": "started", "key": "started:0", "rounds": 40, "after_round": 0, "partition": report}
        self.store.record(attempt.id, attempt.token, events=[started])

    def leave(self, attempt: AttemptRecord, *, log: str = "") -> None:
        """Leave behind what a driver does: a checkpoint that knows builds and traffic, and a log."""
        traffic = {"up": {"smashed": 2048, "front": 1024}, "down": {"front": 4096}, "messages": 30}
        manifest = {"round": 40, "progress": {"traffic": traffic}, "provenance": {"torch": "9.9.9"}}
        contents = {CHECKPOINT_MANIFEST: json.dumps({"manifest": manifest}).encode(), CHECKPOINT_STATE: b"state"}
        folder = attempt_folder(self.artifacts, attempt.experiment_id, attempt.number)
        files = []
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            files.append(
                ArtifactFile(name=name, kind=ArtifactKind.CHECKPOINT, size_bytes=len(content), sha256=digest, round=40)
            )
        (folder / LOG).write_text(log)
        self.store.artifacts.record(attempt.id, attempt.token, files=files)

    def end(
        self, attempt: AttemptRecord, *, state: State = State.SUCCEEDED, reason: str | None = None, **result: float
    ) -> None:
        """End a running experiment."""
        message = None if state == State.SUCCEEDED else "it stopped being finite"
        costs = {"client_macs_per_step": 12345, "client_peak_bytes": 3 << 20, "bytes_up": 40_000, "bytes_down": 20_000}
        self.store.finish(
            attempt.id, attempt.token, state=state, reason=reason, message=message, result={"costs": costs, **result}
        )

    def sweep(self, accuracies: dict[float, float]) -> str:
        """A sweep over mu whose trials, one per mu, ended with these validation accuracies."""
        sweep = SweepSpec(space=resolve_space("mu"), samples=len(accuracies))
        id = self.store.sweeps.submit(example_spec(), sweep, name="digits").id
        owned = self.store.sweeps.claim(owner="dispatcher-1", lease_s=600)
        assert owned is not None
        proposals = [{"method.zeroth_order.mu": mu} for mu in accuracies]
        self.store.sweeps.running(id, owned.token, owner_pid=4712, proposals=proposals)
        for number, accuracy in enumerate(accuracies.values(), start=1):
            spec = parse_spec({**example_spec(), "name": f"trial {number}", "rounds": 40})
            self.store.sweeps.submit_trial(id, owned.token, number, spec)
            claimed = self.store.claim(owner="dispatcher-1", lease_s=600)
            assert claimed is not None
            attempt = claimed[1]
            self.store.running(attempt.id, attempt.token, driver_pid=4711, node="node-a")
            self.end(attempt, validation_accuracy=accuracy, test_accuracy=accuracy - 0.01)
        return id

    def study(self, **fields: Any) -> str:
        """Submit the documentation's study with these fields, over REST."""
        body = {"study": {**EXAMPLE["study"], **fields}}
        answer = httpx.post(f"{self.url}/v1/studies", json=body, trust_env=False, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def start_cell(self, study: str, cell: int) -> AttemptRecord:
        """Bring the experiment of a study's cell to RUNNING."""
        experiment = self.store.studies.cells(study)[cell].experiment
        assert experiment is not None
        claimed = self.store.claim(owner="dispatcher-1", lease_s=600, id=experiment.id)
        assert claimed is not None
        self.store.running(claimed[1].id, claimed[1].token, driver_pid=4711, node="node-a")
        return claimed[1]


@pytest.fixture
def settings() -> Settings:
    """Of the service; a module may have others."""
    return Settings(event_poll_s=0.05)


@pytest.fixture
def service(tmp_path: Path, settings: Settings) -> Iterator[Service]:
    """A service of its own for each test."""
    store = Store.open(f"sqlite:///{tmp_path}/heron.db")
    config = uvicorn.Config(
        create_app(dataclasses.replace(settings, artifacts=tmp_path / "artifacts"), store),
        port=0,
        ws="none",
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    for _ in itertools.takewhile(lambda _: not server.started and thread.is_alive(), itertools.count()):
        thread.join(0.01)
    yield Service(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", store, tmp_path / "artifacts")
    server.should_exit = True
    thread.join(30)
    store.close()
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. While it runs there is an event loop in this thread, which tests elsewhere must not find."""
    if not CHROMIUM.exists():
        pytest.skip(f"the pages are tested in {CHROMIUM}, which is not installed (Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@dataclass
class Watched:
    """A page, what its console complained of, what it may say (any of these words), and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens pages in contexts of their own, and afterwards requires that no console complained and no request left the host."""
    contexts: list[BrowserContext] = []
    opened: list[Watched] = []

    def open_one(url: str, **options: Any) -> Watched:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        watched = Watched(page)
        opened.append(watched)
        page.on("console", lambda message: watched.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("request", lambda request: watched.requests.append(request.url))
        page.goto(url)
        return watched

    yield open_one
    for context in contexts:
        context.close()
    for watched in opened:
        assert [text for text in watched.complaints if not any(words in text for words in watched.expected)] == []
        away = [url for url in watched.requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:"))]
        assert away == []
