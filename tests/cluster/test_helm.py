"""The Helm chart, by Helm itself: with its own values it is cluster/kuberay.yaml; what it cannot use it refuses by name."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

CLUSTER = Path(__file__).parents[2] / "cluster"
HELM = Path(sys.executable).with_name("helm")

pytestmark = pytest.mark.skipif(not HELM.exists(), reason="there is no package with helm for this platform")


def helm(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it, with a home of its own."""
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, env={"HOME": str(tmp_path)}, check=False)


def rendered(tmp_path: Path, release: str, *values: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The chart's documents by kind and name."""
    done = helm(tmp_path, "template", release, str(CLUSTER / "helm"), *(word for value in values for word in ("--set", value)))
    assert done.returncode == 0, done.stderr
    return by_name(done.stdout)


def by_name(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    documents = [document for document in yaml.safe_load_all(text) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def test_helm_finds_no_fault(tmp_path: Path) -> None:
    done = helm(tmp_path, "lint", "--strict", str(CLUSTER / "helm"))
    assert done.returncode == 0, done.stdout


def test_with_its_own_values_the_chart_is_the_manifest(tmp_path: Path) -> None:
    assert rendered(tmp_path, "heron") == by_name((CLUSTER / "kuberay.yaml").read_text())


def test_the_chart_is_of_this_version() -> None:
    assert yaml.safe_load((CLUSTER / "helm" / "Chart.yaml").read_text())["appVersion"] == version("heron-ray")


def test_values_reach_where_they_are_meant_for(tmp_path: Path) -> None:
    values = ["workers.gpus=1", "workers.max=16", "workers.memory=32Gi", "concurrency=5", "image=mine:1", "database.secret=db"]
    found = rendered(tmp_path, "lab", *values, "storage.existingClaim=shared")
    assert set(found) == {("RayCluster", "lab"), ("Deployment", "lab-api"), ("Deployment", "lab-dispatcher")}
    (workers,) = found["RayCluster", "lab"]["spec"]["workerGroupSpecs"]
    assert (workers["groupName"], workers["maxReplicas"]) == ("gpu", 16)
    (worker,) = workers["template"]["spec"]["containers"]
    assert worker["resources"]["limits"] == {"cpu": "4", "memory": "32Gi", "nvidia.com/gpu": "1"}
    text = yaml.safe_dump_all(found.values())
    assert "heron-ray:0.1.0" not in text
    assert "heron-state" not in text
    assert "heron-head-svc" not in text
    assert text.count("claimName: shared") == 4
    (dispatcher,) = found["Deployment", "lab-dispatcher"]["spec"]["template"]["spec"]["containers"]
    assert "--concurrency=5" in dispatcher["command"][-1]
    assert dispatcher["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "db"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("workers.most=3", "most"),
        ("workers.memory=8 GB", "memory"),
        ("workers.min=9", "workers.min is more than workers.max"),
        ("concurrency=0", "concurrency"),
        ("database.secret=", "secret"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(tmp_path: Path, value: str, words: str) -> None:
    done = helm(tmp_path, "template", "heron", str(CLUSTER / "helm"), "--set", value)
    assert done.returncode != 0
    assert words in done.stderr
