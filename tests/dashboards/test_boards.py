"""The boards and configurations are ones that Grafana and Prometheus take, and agree with the code and with one another."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.routes import create_app
from api.settings import Settings
from api.store import Store

ROOT = Path(__file__).parents[2]
GRAFANA, PROMETHEUS = ROOT / "dashboards" / "grafana", ROOT / "dashboards" / "prometheus"
BOARDS = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted((GRAFANA / "boards").glob("*.json"))}


def queries(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_there_is_a_board_for_the_service_one_for_throughput_and_one_for_ray() -> None:
    assert list(BOARDS) == ["ray", "service", "throughput"]
    assert len({board["uid"] for board in BOARDS.values()}) == 3


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_says_what_it_shows_and_reads_the_provisioned_source(name) -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text())["datasources"]
    panels = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"]
        for reader in (panel, *panel["targets"]):
            assert reader["datasource"] == {"type": "prometheus", "uid": source["uid"]}


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap_and_lie_within_the_board(name) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not taken & cells, panel["title"]
        taken |= cells


def test_boards_ask_for_every_metric_that_the_api_tells_and_for_no_other_of_its_name(tmp_path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/heron.db")
    try:
        told = create_app(Settings(), store).state.metrics.render().decode()
    finally:
        store.close()
    known = set(re.findall(r"^# TYPE (\S+)", told, re.MULTILINE))
    asked = {name for board in BOARDS.values() for query in queries(board) for name in re.findall(r"\bheron_\w+", query)}
    assert {name.removesuffix("_bucket").removesuffix("_total") for name in asked} == {
        name.removesuffix("_total") for name in known if not name.endswith("_created")
    }


@pytest.mark.parametrize("file", sorted(PROMETHEUS.glob("*.yaml")), ids=lambda file: file.stem)
def test_prometheus_itself_accepts_its_configuration(file, tmp_path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    (tmp_path / "key").write_text("k")
    (tmp_path / "prometheus.json").write_text("[]")
    text = file.read_text(encoding="utf-8").replace("/etc/prometheus/key", str(tmp_path / "key"))
    (tmp_path / "config.yaml").write_text(text)
    done = subprocess.run([promtool, "check", "config", "config.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
