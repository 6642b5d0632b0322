"""Does anything pile up in the API or the dispatcher? `python -m benchmarks.service_memory --experiments 2000`.

A real service runs small experiments one after another, a few of them always queued; every one is looked at when it has ended,
as a person would. After every block of experiments the resident memory of both processes is read. The slope is that of least
squares over the samples after the warm-up, with its 95 % interval; memory counts as flat where the interval's lower end is
below a bound.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx
import psutil

from api.domain.states import TERMINAL
from api.supervisor.state_directory import StateDirectory
from benchmarks.databases import KINDS, empty_database
from benchmarks.pairs import fit, machine
from heron_ray.cli.service_process import ServiceProcess

PARTS: Final = ("api", "dispatcher")
# Experiments between two samples, and how many are queued at a time.
BLOCK: Final = 20
QUEUE: Final = 10
# The part of the samples that is left out: interpreters load modules and fill caches.
WARM_UP: Final = 0.25
BOUND_BYTES: Final = 1024.0
LOOK_S: Final = 0.02

SPEC: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": "memory",
        "rounds": 1,
        "data": {"kind": "digits"},
        "partition": {"kind": "iid"},
        "model": {"kind": "mlp", "front": [8], "back": [8], "auxiliary": {"kind": "linear"}},
        "clients": {"count": 2, "batch_size": 16, "local_steps": 1},
        "method": {
            "kind": "heron",
            "zeroth_order": {"probes": 1},
            "client_optimizer": {"kind": "sgd", "lr": 0.01},
            "server_optimizer": {"kind": "sgd", "lr": 0.1},
        },
        "aggregation": {"kind": "mean"},
        "compute": {"executor": "local"},
    }
)


def sample(
    service: ServiceProcess, state: Path, experiments: int, tell: Callable[[str], None] = lambda line: None
) -> list[dict[str, int]]:
    """Run experiments and read the memory of both processes after every block.

    Returns:
        Samples: `experiments` ended, and the resident bytes of each part.

    Raises:
        RuntimeError: An experiment did not succeed, or a process was replaced by another.
    """
    pids: dict[str, int] = {}
    samples: list[dict[str, int]] = []
    waiting: deque[str] = deque()
    with httpx.Client(base_url=service.url, timeout=60.0) as client:
        submitted = ended = 0
        while ended < experiments:
            while submitted < experiments and len(waiting) < QUEUE:
                body = {"spec": {**SPEC, "seed": submitted}}
                waiting.append(client.post("/v1/experiments", json=body).raise_for_status().json()["id"])
                submitted += 1
            if not _has_ended(client, waiting[0]):
                time.sleep(LOOK_S)
                continue
            waiting.popleft()
            ended += 1
            if ended % BLOCK == 0:
                pids = pids or _pids(state)  # not before: the dispatcher comes up after the API, once Ray is there
                samples.append({"experiments": ended, **{part: _resident_bytes(pids[part]) for part in PARTS}})
                tell(json.dumps(samples[-1]))
    if _pids(state) != pids:
        raise RuntimeError("a part of the service was started anew meanwhile")
    return samples


def judge(samples: Sequence[Mapping[str, int]]) -> dict[str, dict[str, Any]]:
    """The slope of each part after the warm-up, and whether it is flat."""
    steady = samples[int(WARM_UP * len(samples)) :]
    found: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        slope = fit([one["experiments"] for one in steady], [one[part] for one in steady])
        told = {"bytes_per_experiment": slope["slope"], "low": slope["low"], "high": slope["high"]}
        found[part] = {**told, "flat": slope["low"] < BOUND_BYTES, "first": steady[0][part], "last": steady[-1][part]}
    return found


def _has_ended(client: httpx.Client, id: str) -> bool:
    page = client.get(f"/v1/experiments/{id}").raise_for_status().json()
    if page["state"] not in TERMINAL:
        return False
    if page["state"] != "SUCCEEDED":
        raise RuntimeError(f"experiment {id} is {page['state']}: {page['message']}")
    for tail in ("series", "events", "figures"):
        client.get(f"/v1/experiments/{id}/{tail}").raise_for_status()
    return True


def _pids(state: Path) -> dict[str, int]:
    pids = StateDirectory(state).read_service()["pids"]
    return {part: pids[part] for part in PARTS}


def _resident_bytes(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


def main() -> None:
    """Measure; exits with 1 where memory grew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_memory", description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    chosen = parser.parse_args()
    if chosen.experiments < 5 * BLOCK:
        parser.error(f"a slope takes at least {5 * BLOCK} experiments")
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="heron-memory-", ignore_cleanup_errors=True) as name:
        state = Path(name) / "state"
        with (
            empty_database(chosen.database, Path(name)) as database_url,
            ServiceProcess(state, ["--database", database_url]) as service,
        ):
            samples = sample(service, state, chosen.experiments, lambda line: print(line, file=sys.stderr, flush=True))
    parts = judge(samples)
    head = {"database": chosen.database, "experiments": chosen.experiments, "machine": machine()}
    seconds = round(time.monotonic() - began_at, 1)
    text = json.dumps({**head, "seconds": seconds, "bound_bytes": BOUND_BYTES, "parts": parts, "samples": samples}, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")
    sys.exit(0 if all(part["flat"] for part in parts.values()) else 1)


if __name__ == "__main__":
    main()
