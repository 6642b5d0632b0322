"""Open-loop load: requests leave by a schedule that is fixed beforehand, whether or not earlier ones have been answered.

Latency counts from the time a request should have left, so a service that stalls is charged for everybody who would have
come meanwhile. `python -m benchmarks.service.arrivals PORT RATE SECONDS` is the generator's own process: it prints one
JSON object with latencies (s), errors and the processor time it took itself.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from api.routes.examples import example_submission

# Connections are opened at once and used again, as a pool of clients does.
CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of one schedule.

    Attributes:
        rate: Requests per second that were to leave.
        sent: How many were.
        failed: How many were not answered with 201.
        p50_s: Median latency.
        p99_s: 99th percentile.
        generator_cpu: Share of one core that the generator took.
        late_s: 99th percentile of how late the generator itself was to hand a request over.
    """

    rate: float
    sent: int
    failed: int
    p50_s: float
    p99_s: float
    generator_cpu: float
    late_s: float


def submit_at(port: int, rate: float, seconds: float) -> Load:
    """Submit experiments at a fixed rate from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.service.arrivals", str(port), str(rate), str(seconds)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    p50, p99 = np.quantile(told["latencies"], [0.5, 0.99])
    return Load(
        rate=rate,
        sent=len(told["latencies"]),
        failed=told["failed"],
        p50_s=float(p50),
        p99_s=float(p99),
        generator_cpu=told["cpu_s"] / told["wall_s"],
        late_s=float(np.quantile(told["late"], 0.99)),
    )


async def _generate(port: int, rate: float, seconds: float) -> dict[str, Any]:
    bodies = [_request(number) for number in range(round(rate * seconds))]
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    latencies: list[float] = []
    failures: list[str] = []
    workers = [asyncio.create_task(_work(port, due, latencies, failures)) for _ in range(CONNECTIONS)]
    start, cpu, late = time.perf_counter() + 0.2, time.process_time(), []
    for number, body in enumerate(bodies):
        at = start + number / rate
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        late.append(max(0.0, time.perf_counter() - at))
        due.put_nowait((at, body))
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    wall = time.perf_counter() - start
    return {
        "latencies": latencies,
        "failed": len(failures),
        "cpu_s": time.process_time() - cpu,
        "wall_s": wall,
        "late": late,
    }


def _request(number: int) -> bytes:
    submission = example_submission()
    submission["spec"]["seed"] = number
    body = json.dumps(submission).encode()
    fields = f"Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    head = f"POST /v1/experiments HTTP/1.1\r\n{fields}\r\n\r\n"
    return head.encode() + body


async def _work(port: int, due: asyncio.Queue[tuple[float, bytes] | None], latencies: list[float], failures: list[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (order := await due.get()) is not None:
        at, request = order
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - at)
        status = head.split(b" ", 2)[1].decode()
        if status != "201":
            failures.append(status)
    writer.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_generate(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))))
