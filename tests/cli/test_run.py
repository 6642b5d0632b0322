import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RESULT_KEYS = {
    "state",
    "rounds",
    "test_accuracy",
    "test_loss",
    "auxiliary_accuracy",
    "trajectory_digest",
    "spec_hash",
    "trajectory_hash",
    "costs",
    "wall_seconds",
}
COST_KEYS = {"client_macs_per_step", "client_flops_per_step", "client_peak_bytes", "bytes_up", "bytes_down"}


def test_run_prints_one_object_with_the_result(heron, spec_file) -> None:
    outcome = heron("run", spec_file, "--json")
    assert outcome.code == 0
    assert set(outcome.object) >= RESULT_KEYS
    assert set(outcome.object["costs"]) == COST_KEYS
    assert (outcome.object["state"], outcome.object["rounds"]) == ("SUCCEEDED", 3)
    assert outcome.stderr == ""


def test_run_without_json_is_for_people(heron, spec_file) -> None:
    lines = heron("run", spec_file).stdout.splitlines()
    assert lines[0].split() == ["state", "SUCCEEDED"]
    assert any(line.startswith("test accuracy") and line.endswith("%") for line in lines)


def test_progress_goes_to_stderr_and_only_when_asked_for_where_there_is_no_terminal(heron, spec_file) -> None:
    outcome = heron("run", spec_file, "--json", "--progress")
    assert outcome.object["state"] == "SUCCEEDED"
    assert "tiny: 3/3 rounds, validation accuracy 0." in outcome.stderr


def test_what_goes_wrong_is_told_at_once_and_with_the_result(heron, spec_file, tmp_path) -> None:
    optimizers = "client_optimizer: {kind: sgd, lr: 0.01}, server_optimizer: {kind: sgd, lr: 0.1}"
    probing = f"method={{kind: heron, zeroth_order: {{mu: 1.0e-7}}, {optimizers}}}"
    file = tmp_path / "events.jsonl"
    outcome = heron("run", spec_file, "--set", probing, "--progress", "--events", file)
    assert "tiny: vanishing probes (round 3): the clients' probes do not change the loss" in outcome.stderr
    assert "diagnosis 1" in outcome.stdout
    (event,) = [one for one in map(json.loads, file.read_text().splitlines()) if one["kind"] == "diagnosis"]
    assert (event["key"], event["round"]) == ("diagnosis:vanishing_probes", 3)


def test_events_are_appended_to_a_file_one_per_line(heron, spec_file, tmp_path) -> None:
    file = tmp_path / "events.jsonl"
    heron("run", spec_file, "--events", file)
    kinds = [json.loads(line)["kind"] for line in file.read_text().splitlines()]
    assert kinds == ["started", "round_finished", "round_finished", "round_finished", "finished"]


def test_an_events_file_that_cannot_be_written_is_named_before_anything_runs(heron, spec_file, tmp_path) -> None:
    outcome = heron("run", spec_file, "--events", tmp_path / "absent" / "events.jsonl", "--json")
    assert outcome.code == 2
    assert "absent/events.jsonl" in outcome.object["error"]["message"]


def test_a_run_that_diverges_exits_with_1_and_says_in_which_round(heron, spec_file) -> None:
    too_fast = ("--set", "method.server_optimizer.lr=1000", "--set", "model.back=[64, 64, 64, 64, 64]", "--set", "rounds=60")
    outcome = heron("run", spec_file, "--json", *too_fast)
    assert outcome.code == 1
    failure = outcome.object
    assert (failure["state"], failure["reason"]) == ("FAILED", "diverged")
    assert failure["rounds"] < 60
    assert f"round {failure['rounds'] + 1}" in failure["message"]
    assert f"error: {failure['message']}" in outcome.stderr


def test_a_resumed_run_ends_like_an_undisturbed_one(heron, spec_file, tmp_path) -> None:
    undisturbed = heron("run", spec_file, "--json").object
    kept = tmp_path / "kept"
    half = ("--set", "compute.checkpoint_every=1")
    first = heron("run", spec_file, "--json", *half, "--checkpoint-dir", kept).object
    newest = max(kept.glob("round-*"))
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    resumed = heron("run", spec_file, "--json", *half, "--resume", kept).object
    assert undisturbed["trajectory_digest"] == first["trajectory_digest"] == resumed["trajectory_digest"]


def test_a_fresh_run_never_writes_among_the_checkpoints_of_another(heron, spec_file, tmp_path) -> None:
    heron("run", spec_file, "--checkpoint-dir", tmp_path / "kept")
    before = sorted((tmp_path / "kept").rglob("*"))
    outcome = heron("run", spec_file, "--checkpoint-dir", tmp_path / "kept", "--json")
    assert outcome.code == 2
    assert f"--resume {tmp_path / 'kept'}" in outcome.object["error"]["message"]
    assert sorted((tmp_path / "kept").rglob("*")) == before


def test_nothing_to_resume_from_is_bad_usage(heron, spec_file, tmp_path) -> None:
    outcome = heron("run", spec_file, "--resume", tmp_path / "none")
    assert outcome.code == 2
    assert f"--checkpoint-dir {tmp_path / 'none'}" in outcome.stderr
    assert not (tmp_path / "none").exists()


def test_fresh_and_resumed_at_once_is_bad_usage(heron, spec_file, tmp_path) -> None:
    assert heron("run", spec_file, "--resume", tmp_path, "--checkpoint-dir", tmp_path).code == 2


def test_a_checkpoint_of_another_experiment_fails_the_run(heron, spec_file, tmp_path) -> None:
    heron("run", spec_file, "--checkpoint-dir", tmp_path / "kept")
    outcome = heron("run", spec_file, "--resume", tmp_path / "kept", "--set", "seed=1", "--json")
    assert outcome.code == 1
    assert outcome.object["reason"] == "invalid_checkpoint"
    assert "another experiment" in outcome.object["message"]


def test_a_damaged_checkpoint_fails_the_run_and_is_named(heron, spec_file, tmp_path) -> None:
    heron("run", spec_file, "--checkpoint-dir", tmp_path / "kept")
    state = next((tmp_path / "kept").rglob("*.safetensors"))
    content = bytearray(state.read_bytes())
    content[-1] ^= 1
    state.write_bytes(content)
    outcome = heron("run", spec_file, "--resume", tmp_path / "kept", "--json")
    assert outcome.code == 1
    assert outcome.object["reason"] == "invalid_checkpoint"
    assert str(state) in outcome.object["message"]


@pytest.fixture
def long_run(spec_file: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own that is past its first rounds and far from its end."""
    command = [sys.executable, "-m", "heron_ray.cli", "run", str(spec_file), "--json", "--progress"]
    command += ["--set", "rounds=100000", "--set", "evaluation.every=100000", "--checkpoint-dir", str(tmp_path / "kept")]
    command += ["--events", str(tmp_path / "events.jsonl")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    events = tmp_path / "events.jsonl"
    while process.poll() is None and (not events.exists() or events.read_text().count("\n") < 3):
        os.sched_yield()
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_after_its_round_with_a_checkpoint(long_run, number, tmp_path) -> None:
    long_run.send_signal(number)
    stdout, stderr = long_run.communicate(timeout=60)
    result = json.loads(stdout)
    assert (long_run.returncode, result["state"]) == (1, "CANCELLED")
    assert 0 < result["rounds"] < 100000
    assert [path.name for path in (tmp_path / "kept").glob("round-*")][-1].endswith(f"{result['rounds']}")
    assert "stopping at the end of this round" in stderr
    assert "Traceback" not in stderr
