"""Requests made from the OpenAPI document, and what is wrong with their answers: `python -m benchmarks.api_fuzz`.

A server of its own, on this machine's loopback address, over a database that holds experiments in every state. schemathesis
makes requests for every operation, half of them valid by the document and half of them not. Identifiers in paths are most
often those of experiments and sweeps that exist, and bodies often the document's examples, so that requests get past 404 and
422. Every answer must be none of 5xx, have a documented status and content type, and fit the documented schema.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.domain.states import State
from api.routes import create_app
from api.routes.examples import example_spec
from api.settings import Settings
from api.store import Store
from benchmarks.databases import KINDS, empty_database
from benchmarks.pairs import machine
from heron_ray.spec import parse_spec
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import resolve_space

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TIMEOUT_S: Final = 60.0
STREAM: Final = "text/event-stream"
# Of ten requests, those whose identifier is one that exists, and those whose body is an example.
KNOWN: Final = 8
EXAMPLES: Final = 5


class Seeds:
    """Experiments and sweeps that exist, of every kind; made again when they are used up."""

    def __init__(self, store: Store) -> None:
        """Fill the store."""
        self._store = store
        self._spec = parse_spec(example_spec())
        self.ended: list[str] = []
        self.live: list[str] = []
        self.sweeps: list[str] = []
        self.fill()

    def fill(self) -> None:
        """Have some in every state."""
        self.ended = [self._run(state) for state in (State.SUCCEEDED, State.FAILED)]
        self.live = [self._run(None), self._store.submit(self._spec, ["seed"]).id]
        sweep = SweepSpec(space=resolve_space("mu"), samples=2, search="random", scheduler="none", seed=0)
        self.sweeps = [self._store.sweeps.submit(example_spec(), sweep, name="seed").id]

    def _run(self, end: State | None) -> str:
        """An experiment that runs, with a few points; it ends where an end is given."""
        store = self._store
        id = store.submit(self._spec, ["seed", "zwölf"]).id
        while (claimed := store.claim(owner="fuzz", lease_s=60)) is not None and claimed[0].id != id:
            # Experiments that requests have submitted; none of them needs to run.
            store.interrupt(claimed[1].id, claimed[1].token, reason="seeding", message="seeding", max_attempts=1)
        if claimed is None:
            raise RuntimeError(f"experiment {id} is not in the queue")
        attempt = claimed[1]
        store.running(attempt.id, attempt.token, driver_pid=1, node="seed")
        store.record(attempt.id, attempt.token, events=[_round(number) for number in range(1, 6)])
        if end is not None:
            store.finish(attempt.id, attempt.token, state=end, reason=None, message=None, result={"rounds": 5})
        return id


@dataclass(slots=True)
class Fuzz:
    """Makes requests and keeps count.

    Args:
        url: Where the API answers.
        store: The database behind it.
        seed: Of the requests.
        turn: Requests that one operation gets before it is the others' turn.
    """

    url: str
    store: Store
    seed: int = 0
    turn: int = 25
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    _always_valid: set[str] = field(default_factory=set)

    def run(self, count: int, *, limit_s: float = float("inf")) -> None:
        """Make at least `count` requests, spread evenly over the operations, or as many as go within `limit_s`."""
        end_at = time.monotonic() + limit_s
        seeds = Seeds(self.store)
        schema = schemathesis.openapi.from_url(f"{self.url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        with requests.Session() as session:
            turn = 0
            while self.requests < count and time.monotonic() < end_at:
                for operation, mode in self._turns(operations):
                    if time.monotonic() < end_at:
                        self._take_turn(operation, mode, seeds, session, number=turn)
                turn += 1

    def _turns(
        self, operations: Sequence[schemathesis.APIOperation]
    ) -> Iterator[tuple[schemathesis.APIOperation, schemathesis.GenerationMode]]:
        """Every operation with valid requests, then with invalid ones where it has any."""
        for operation in operations:
            yield operation, schemathesis.GenerationMode.POSITIVE
            if operation.label not in self._always_valid:
                yield operation, schemathesis.GenerationMode.NEGATIVE

    def _take_turn(
        self,
        operation: schemathesis.APIOperation,
        mode: schemathesis.GenerationMode,
        seeds: Seeds,
        session: requests.Session,
        *,
        number: int,
    ) -> None:
        example = _example(operation)

        @seed(self.seed + number)
        @settings(
            max_examples=self.turn,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), draw=st.integers(0, 9), pick=st.integers(0, 999))
        def ask(case: schemathesis.Case, draw: int, pick: int) -> None:
            _make_likely(case, seeds, example, draw=draw, pick=pick)
            self._ask(case, session)

        try:
            ask()
        except Unsatisfiable as error:
            if mode == schemathesis.GenerationMode.POSITIVE:
                raise RuntimeError(f"no request could be made for {operation.label}") from error
            # Nothing that could be sent to this operation is invalid.
            self._always_valid.add(operation.label)
        if operation.method == "delete":
            seeds.fill()

    def _ask(self, case: schemathesis.Case, session: requests.Session) -> None:
        self.requests += 1
        answer = case.call(session=session, timeout=TIMEOUT_S)
        self.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                assert isinstance(failure, Failure)
                what = f"{case.operation.label}: {failure.title} ({answer.status_code})"
                self.failures.setdefault(what, f"{failure.message}\n{case.as_curl_command()}")

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        statuses = {str(status): count for status, count in sorted(self.statuses.items())}
        return {"requests": self.requests, "statuses": statuses, "failures": self.failures}


@contextmanager
def served(store: Store) -> Iterator[str]:
    """The API over `store` on a free port, by uvicorn in a thread; its URL."""
    config = uvicorn.Config(create_app(Settings(event_poll_s=0.02), store), port=0, log_level="critical", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _make_likely(case: schemathesis.Case, seeds: Seeds, example: Mapping[str, Any] | None, *, draw: int, pick: int) -> None:
    """Aim the request at something that exists, and keep clear of streams that would not end."""
    if "id" in case.path_parameters:
        pool = seeds.sweeps if "/sweeps/" in case.operation.path else seeds.ended + seeds.live
        if STREAM in str((case.headers or {}).get("accept", "")).lower():
            case.path_parameters["id"] = seeds.ended[pick % len(seeds.ended)]
        elif draw < KNOWN:
            case.path_parameters["id"] = pool[pick % len(pool)]
    if example is not None and draw < EXAMPLES:
        drawn = case.body if isinstance(case.body, dict) else {}
        case.body = {**drawn, **example} if pick % 2 else {**example, **{k: v for k, v in drawn.items() if k != "spec"}}


def _example(operation: schemathesis.APIOperation) -> Mapping[str, Any] | None:
    """The body that the document gives as an example."""
    content = operation.definition.raw.get("requestBody", {}).get("content", {}).get("application/json", {})
    found: Mapping[str, Any] | None = next(iter(content.get("schema", {}).get("examples", [])), None)
    return found


def _round(number: int) -> dict[str, Any]:
    metrics = {"train_loss": 1.0 / number, "test_accuracy": 0.1 * number}
    return {"kind": "round_finished", "key": f"round_finished:{number}", "round": number, "rounds": 20, "metrics": metrics}


def main() -> None:
    """Make the requests; exits with 1 where an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api_fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--database", choices=KINDS, default="postgresql")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=float("inf"), metavar="S", help="stop after this many seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="heron-fuzz-", ignore_cleanup_errors=True) as name,
        empty_database(chosen.database, Path(name)) as database_url,
    ):
        store = Store.open(database_url)
        began_at = time.monotonic()
        with served(store) as url:
            fuzz = Fuzz(url, store, chosen.seed)
            fuzz.run(chosen.requests, limit_s=chosen.limit)
        store.close()
    head = {"database": chosen.database, "seed": chosen.seed, "schemathesis": schemathesis.__version__, "machine": machine()}
    text = json.dumps({**head, "seconds": round(time.monotonic() - began_at, 1), **fuzz.summary()}, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")
    sys.exit(1 if fuzz.failures else 0)


if __name__ == "__main__":
    main()
