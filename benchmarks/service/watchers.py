"""Many event streams at once, in a process of their own: `python -m benchmarks.service.watchers PORT WATCHERS ID...`.

It prints `ready` when every stream has sent what was there, follows until the experiments end, and then prints one JSON
object: the seconds from writing an event (which tells the time in its data) to reading it, and the processor time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

# What `Served.start_run` leaves: QUEUED, STARTING, RUNNING.
PAST_EVENTS = 3


async def _follow(port: int, id: str, ready: asyncio.Semaphore, delays: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /v1/experiments/{id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(head.encode())
    if b" 200 " not in (status := await reader.readline()):
        raise RuntimeError(f"a watcher was refused: {status.decode().strip()}")
    seen = 0
    while line := await reader.readline():
        if line.startswith(b"id: "):
            seen += 1
            if seen == PAST_EVENTS:
                ready.release()
        elif line.startswith(b"data: ") and b'"written_at"' in line:
            delays.append(time.time() - json.loads(line[6:])["written_at"])
        elif line == b"0\r\n":
            break
    writer.close()


async def _watch(port: int, watchers: int, ids: list[str]) -> dict[str, Any]:
    ready, delays = asyncio.Semaphore(0), [list[float]() for _ in range(watchers)]
    tasks = [asyncio.create_task(_follow(port, ids[n % len(ids)], ready, delays[n])) for n in range(watchers)]
    everybody = asyncio.gather(*tasks)
    for _ in tasks:
        waiting = asyncio.ensure_future(ready.acquire())
        await asyncio.wait([waiting, everybody], return_when=asyncio.FIRST_COMPLETED)
        if everybody.done():
            everybody.result()
    print("ready", flush=True)
    start, cpu = time.perf_counter(), time.process_time()
    await everybody
    return {
        "delays": [delay for mine in delays for delay in mine],
        "cpu": (time.process_time() - cpu) / (time.perf_counter() - start),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_watch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))))
