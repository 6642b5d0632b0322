"""A real Prometheus reads a real service and its Ray, and answers every query of every board with data."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
VARIABLES = {"$__rate_interval": "10s", "$__range": "1m"}


def board_queries() -> dict[str, str]:
    """Board, panel and letter to query, with Grafana's variables filled in."""
    found = {}
    for file in sorted((DASHBOARDS / "grafana" / "boards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                query = target["expr"]
                for variable, value in VARIABLES.items():
                    query = query.replace(variable, value)
                assert "$" not in query
                found[f"{file.stem}: {panel['title']}: {target['refId']}"] = query
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def prometheus(service, until) -> Iterator[httpx.Client]:
    """Started on the shipped configuration, but reading once a second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    config = yaml.safe_load((DASHBOARDS / "prometheus" / "local.yaml").read_text(encoding="utf-8"))
    config["global"]["scrape_interval"] = "1s"
    with tempfile.TemporaryDirectory(prefix="heron-test-") as directory:
        folder = Path(directory)
        file = folder / "local.yaml"
        # The service replaces the file by renaming; a link leads to the new one.
        (folder / "prometheus.json").symlink_to(service.directory.path / "prometheus.json")
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        address = f"127.0.0.1:{free_port()}"
        command = [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=10) as client:

                def answers() -> bool:
                    assert process.poll() is None, (folder / "log").read_text()
                    try:
                        return client.get("/-/ready").is_success
                    except httpx.TransportError:
                        return False

                until(answers, "Prometheus starts")
                yield client
            process.kill()


def has_data(prometheus: httpx.Client, query: str) -> bool:
    answer = prometheus.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    values = [float(series["value"][1]) for series in answer["data"]["result"]]
    return any(math.isfinite(value) for value in values)


def test_every_query_of_every_panel_has_data_while_an_experiment_runs(service, prometheus, small_spec, until) -> None:
    id = service.submit({**small_spec(executor="ray"), "rounds": 100_000})
    service.wait_for_round(id, 2)
    waiting = board_queries()

    def missing() -> list[str]:
        for name, query in list(waiting.items()):
            if has_data(prometheus, query):
                del waiting[name]
        return list(waiting)

    try:
        until(lambda: not missing() or None, f"data for {waiting}")
    finally:
        service.cancel(id)
        service.wait_for_end(id)
    targets = prometheus.get("/api/v1/targets").json()["data"]["activeTargets"]
    assert {target["labels"]["job"]: target["health"] for target in targets} == {"heron-ray": "up", "ray": "up"}
