"""`heron sweep run` in processes of its own, because it starts Ray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SPEC = {
    "name": "tiny",
    "rounds": 4,
    "data": {"kind": "digits"},
    "partition": {"kind": "iid"},
    "model": {"kind": "mlp", "front": [8], "back": [8], "auxiliary": {"kind": "linear"}},
    "clients": {"count": 2, "batch_size": 8},
    "method": {
        "kind": "heron",
        "client_optimizer": {"kind": "sgd", "lr": 0.01},
        "server_optimizer": {"kind": "sgd", "lr": 0.1},
    },
    "aggregation": {"kind": "mean"},
    "evaluation": {"every": 2},
}


def heron(*arguments):
    command = [sys.executable, "-m", "heron_ray.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    return path


def test_four_trials_are_run_and_the_best_is_the_one_with_the_highest_validation_accuracy(spec_file):
    done = heron("sweep", "run", spec_file, "--space", "mu", "--samples", 4, "--set", "seed=5", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    trials = outcome["trials"]
    assert outcome["sweep_id"]
    assert [trial["number"] for trial in trials] == [1, 2, 3, 4]
    assert {trial["state"] for trial in trials} == {"SUCCEEDED"}
    assert len({trial["overrides"]["method.zeroth_order.mu"] for trial in trials}) == 4
    assert all(0 <= trial["test_accuracy"] <= 1 for trial in trials)
    assert outcome["best"] in trials
    assert outcome["best"]["validation_accuracy"] == max(trial["validation_accuracy"] for trial in trials)
    # A trial is an experiment like any other.
    best = outcome["best"]
    alone = ("--set", f"method.zeroth_order.mu={best['overrides']['method.zeroth_order.mu']!r}", "--set", "seed=5")
    again = json.loads(heron("run", spec_file, *alone, "--json").stdout)
    assert again["test_accuracy"] == best["test_accuracy"]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("--space", "muu"), "space"),
        (("--space", "{rouds: {kind: integer, low: 1, high: 2}}"), "space.rouds"),
        (("--space", "mu", "--set", "rouds=3"), "rouds"),
        (("--space", "joint", "--search", "grid"), "samples"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(spec_file, arguments, path):
    done = heron("sweep", "run", spec_file, *arguments, "--json")
    assert done.returncode == 2
    assert path in [issue["path"] for issue in json.loads(done.stdout)["error"]["issues"]]
