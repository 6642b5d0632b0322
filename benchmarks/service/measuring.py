"""What is measured of a service under load; each function takes a `Served` and gives `Measure`s."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from api.domain.states import State
from api.routes.examples import example_submission
from benchmarks.service.arrivals import Load, submit_at
from benchmarks.service.filling import LONG, fill
from benchmarks.service.served import Served

TARGET_RATE = {"sqlite": 60.0, "postgresql": 100.0}
TARGET_P99_S = 0.1
TARGET_POINTS_S = 20_000.0
TARGET_DELIVERY_S = 1.0
TARGET_PAGE_S = 0.1
# Over this many requests memory may grow by this share.
SLOPE_REQUESTS, SLOPE_SHARE = 2000, 0.05
STEP_S = 5.0
METRICS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure: what it should be at most (or at least), and what else belongs to it."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    details: dict[str, Any] | None = None

    @property
    def verdict(self) -> str:
        """met, not met, or nothing where there is no target."""
        if self.at_most is None and self.at_least is None:
            return ""
        met = (self.at_most is None or self.value <= self.at_most) and (self.at_least is None or self.value >= self.at_least)
        return "met" if met else "not met"

    def line(self) -> str:
        """One line of text."""
        bounds = [f"at most {self.at_most:g}"] if self.at_most is not None else []
        bounds += [f"at least {self.at_least:g}"] if self.at_least is not None else []
        asked = f"   target {' and '.join(bounds)} {self.unit}: {self.verdict}" if bounds else ""
        return f"{self.name:<52} {self.value:,.1f} {self.unit}{asked}   {json.dumps(self.details) if self.details else ''}"


def submissions(served: Served, kind: str, seconds: float) -> Iterator[Measure]:
    """Submissions at the rate asked for, then the highest rate that is sustained."""
    rate = TARGET_RATE[kind]
    submit_at(served.port, 10, min(2.0, seconds))
    began, cpu = time.perf_counter(), served.cpu_seconds()
    load = submit_at(served.port, rate, seconds)
    details = {**_details(load), "api_cpu": round((served.cpu_seconds() - cpu) / (time.perf_counter() - began), 2)}
    yield Measure(name=f"{rate:g} submissions/s: p50", value=1e3 * load.p50_s, unit="ms")
    p99 = 1e3 * load.p99_s if not load.failed else float("inf")
    yield Measure(name=f"{rate:g} submissions/s: p99", value=p99, unit="ms", at_most=1e3 * TARGET_P99_S, details=details)
    step = min(STEP_S, seconds)
    best, tried = _highest(lambda at: submit_at(served.port, at, step), rate)
    yield Measure(name="highest rate with p99 within 100 ms", value=best, unit="/s", details={"step_s": step, "tried": tried})


def _highest(submit: Callable[[float], Load], start: float) -> tuple[float, dict[str, float]]:
    """Halve or double until the answer lies between, then halve the gap three times."""
    tried: dict[str, float] = {}

    def holds(rate: float) -> bool:
        load = submit(rate)
        tried[f"{rate:g}"] = round(1e3 * load.p99_s, 1)
        return not load.failed and load.p99_s <= TARGET_P99_S

    low, high = 0.0, start
    if holds(start):
        low, high = start, 2 * start
        while holds(high):
            low, high = high, 2 * high
    else:
        while high > 2 and not holds(high / 2):
            high /= 2
        low, high = high / 2, high
    for _ in range(3):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, tried


def _details(load: Load) -> dict[str, Any]:
    late_ms = round(1e3 * load.late_s, 1)
    return {
        "sent": load.sent,
        "failed": load.failed,
        "generator_cpu": round(load.generator_cpu, 2),
        "generator_late_ms": late_ms,
    }


def ingest(served: Served, kind: str, seconds: float) -> Iterator[Measure]:
    """Points written through `Store.record`, ten per event, for four experiments in turn and for one batch size at a time."""
    attempts = [served.start_run(number)[1] for number in range(4)]
    round = 0
    for batch in (50, 200):
        written, began, cpu = 0, time.perf_counter(), time.process_time()
        while (passed := time.perf_counter() - began) < seconds:
            events = [_round_finished(round + n) for n in range(batch)]
            round += batch
            for attempt in attempts:
                served.store.record(attempt.id, attempt.token, events=events)
            written += batch * METRICS * len(attempts)
        share = (time.process_time() - cpu) / passed
        yield Measure(
            name=f"points ingested, {batch} events of {METRICS} at once",
            value=written / passed,
            unit="points/s",
            at_least=TARGET_POINTS_S,
            details={"writer_cpu": float(f"{share:.2f}")},
        )


def _round_finished(round: int) -> dict[str, Any]:
    metrics = {f"metric_{number}": round * 0.37 + number for number in range(METRICS)}
    key = f"round_finished:{round}"
    return {
        "kind": "round_finished",
        "key": key,
        "round": round,
        "rounds": 10**6,
        "metrics": metrics,
        "written_at": time.time(),
    }


def watchers(served: Served, kind: str, seconds: float, *, count: int = 500) -> Iterator[Measure]:
    """Event streams of four experiments that are written to: how long from writing to reading, and what stays open."""
    runs = [served.start_run(number) for number in range(4)]
    ids = [id for id, _ in runs]
    command = [sys.executable, "-m", "benchmarks.service.watchers", str(served.port), str(count), *ids]
    before = served.gauge('heron_database_connections{state="in_use"}')
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError("the watchers could not start")
        for round in range(1, max(2, int(4 * seconds)) + 1):
            for _, attempt in runs:
                served.store.record(attempt.id, attempt.token, events=[_round_finished(round)])
            time.sleep(0.25)
        for _, attempt in runs:
            served.store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={})
        told = json.loads(process.stdout.read())
    expected = count * max(2, int(4 * seconds))
    p50, p99 = np.quantile(told["delays"], [0.5, 0.99])
    details = {"delivered": len(told["delays"]), "expected": expected, "watchers_cpu": float(f"{told['cpu']:.2f}")}
    yield Measure(name=f"{count} watchers: median delivery", value=1e3 * float(p50), unit="ms")
    yield Measure(
        name=f"{count} watchers: p99 delivery",
        value=1e3 * float(p99),
        unit="ms",
        at_most=1e3 * TARGET_DELIVERY_S,
        details=details,
    )
    deadline = time.monotonic() + 30
    while served.gauge("heron_event_streams") and time.monotonic() < deadline:
        time.sleep(0.1)
    after = served.gauge('heron_database_connections{state="in_use"}')
    yield Measure(name="connections in use afterwards", value=after, unit="", at_most=before)


def pages(
    served: Served, kind: str, seconds: float, *, experiments: int = 100_000, points: int = 10_000_000
) -> Iterator[Measure]:
    """What the list and an experiment's page ask for, on a large database, one request after another."""
    began = time.perf_counter()
    fill(served.database, experiments=experiments, points=points)
    yield Measure(name="database filled", value=time.perf_counter() - began, unit="s")
    draw = random.Random(0)

    def page_start() -> str:
        return f"e{10_000_000 + draw.randint(51, experiments)}"

    def some() -> str:
        return f"e{10_000_000 + draw.randint(1, experiments // 2)}"

    def long() -> str:
        return f"e{10_000_000 + draw.randint(1, LONG)}"

    asked: dict[str, tuple[Callable[[], str], bool]] = {
        "list": (lambda: f"/v1/experiments?limit=50&before={page_start()}", True),
        "list of a tag": (lambda: f"/v1/experiments?limit=50&tag=everywhere&before={page_start()}", True),
        "list of a state": (lambda: f"/v1/experiments?limit=50&state=FAILED&before={page_start()}", True),
        "experiment": (lambda: f"/v1/experiments/{some()}", True),
        "its events": (lambda: f"/v1/experiments/{some()}/events?limit=200", True),
        "its curves": (lambda: f"/v1/series:query?experiment={some()}&points=500", True),
        "its figures": (lambda: f"/v1/experiments/{some()}/figures", True),
        "one curve of a long experiment": (lambda: f"/v1/series:query?experiment={long()}&series=series_1&points=500", True),
        "all ten curves of a long experiment": (lambda: f"/v1/series:query?experiment={long()}&points=500", False),
    }
    with httpx.Client(base_url=served.url, trust_env=False, timeout=300) as client:
        for name, (path, judged) in asked.items():
            yield _page(client, name, path, seconds, judged=judged)


def _page(client: httpx.Client, name: str, path: Callable[[], str], seconds: float, *, judged: bool) -> Measure:
    client.get(path()).raise_for_status()
    taken: list[float] = []
    began = time.perf_counter()
    while len(taken) < 20 or time.perf_counter() - began < seconds:
        asked = time.perf_counter()
        client.get(path()).raise_for_status()
        taken.append(time.perf_counter() - asked)
    p50, p95 = np.quantile(taken, [0.5, 0.95])
    details = {"requests": len(taken), "p50_ms": round(1e3 * float(p50), 1)}
    return Measure(
        name=f"{name}: p95", value=1e3 * float(p95), unit="ms", at_most=1e3 * TARGET_PAGE_S if judged else None, details=details
    )


def idempotency(served: Served, kind: str, seconds: float, *, requests: int = 100) -> Iterator[Measure]:
    """The same body under the same key, all at once."""
    together = threading.Barrier(requests)

    def submit(client: httpx.Client) -> tuple[int, str]:
        together.wait()
        answer = client.post("/v1/experiments", json=example_submission(), headers={"Idempotency-Key": "benchmark"})
        return answer.status_code, answer.json()["id"]

    limits = httpx.Limits(max_connections=requests)
    with (
        httpx.Client(base_url=served.url, trust_env=False, timeout=120, limits=limits) as client,
        ThreadPoolExecutor(requests) as pool,
    ):
        told = list(pool.map(submit, [client] * requests))
    statuses = {str(code): sum(found == code for found, _ in told) for code in {code for code, _ in told}}
    yield Measure(
        name=f"experiments made by {requests} equal submissions at once",
        value=len({id for _, id in told}),
        unit="",
        at_most=1,
        details={"statuses": statuses},
    )


def memory(served: Served, kind: str, seconds: float) -> Iterator[Measure]:
    """Memory of the API against the number of requests: submissions, lists and looks in turn."""
    counts, sizes = [], []
    with httpx.Client(base_url=served.url, trust_env=False, timeout=60) as client:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds or len(sizes) < 12:
            id = client.post("/v1/experiments", json=example_submission()).raise_for_status().json()["id"]
            for path in (f"/v1/experiments/{id}", "/v1/experiments?limit=20", f"/v1/series:query?experiment={id}"):
                client.get(path).raise_for_status()
            count += 4
            if count % 20 == 0:
                counts.append(count)
                sizes.append(served.rss_bytes())
    # The first half fills caches and pools.
    x, y = np.array(counts[len(counts) // 2 :], float), np.array(sizes[len(sizes) // 2 :], float)
    slope, error = _slope(x, y)
    growth = SLOPE_REQUESTS * (slope + 1.96 * error) / y[-1]
    details = {"requests": count, "rss_mib": round(y[-1] / 2**20, 1), "bytes_per_request": [slope, 1.96 * error]}
    yield Measure(
        name=f"growth of memory over {SLOPE_REQUESTS} requests, upper end",
        value=100 * growth,
        unit="%",
        at_most=100 * SLOPE_SHARE,
        details=details,
    )


def _slope(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Least squares: the slope and its standard error."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    rest = y - y.mean() - slope * centred
    return slope, float(np.sqrt(rest @ rest / (len(x) - 2) / (centred @ centred)))
