from __future__ import annotations

import json

import yaml
from safetensors import safe_open

from heron_ray.reports import read_record


def test_a_runs_folder_holds_its_spec_events_result_model_and_checkpoints(heron, spec_file, tmp_path) -> None:
    result = heron("run", spec_file, "--out", tmp_path / "kept", "--json").object
    folder = tmp_path / "kept"
    assert {path.name for path in folder.iterdir()} == {
        *("spec.yaml", "events.jsonl", "result.json", "model.safetensors", "checkpoints")
    }
    assert json.loads((folder / "result.json").read_text()) == result
    assert yaml.safe_load((folder / "spec.yaml").read_text())["method"]["kind"] == "heron"
    with safe_open(folder / "model.safetensors", "numpy") as model:
        assert model.metadata()["trajectory_digest"] == result["trajectory_digest"]
    record = read_record(folder)
    assert (record.name, record.state, record.series["bytes_up"]["rounds"]) == ("tiny", "SUCCEEDED", [1, 2, 3])
    assert record.provenance is not None
    assert {"torch", "numpy", "python"} <= set(record.provenance)


def test_an_interrupted_run_goes_on_in_its_folder_and_ends_as_an_undisturbed_one(heron, spec_file, tmp_path) -> None:
    undisturbed = heron("run", spec_file, "--out", tmp_path / "one", "--json").object
    every_round = ("--set", "compute.checkpoint_every=1")
    heron("run", spec_file, "--out", tmp_path / "two", *every_round)
    # As a kill in the last round leaves it: no result, no last checkpoint, half a line.
    folder = tmp_path / "two"
    (folder / "result.json").unlink()
    last = max((folder / "checkpoints").glob("round-*"))
    for file in last.iterdir():
        file.unlink()
    last.rmdir()
    events = folder / "events.jsonl"
    whole = events.read_text().splitlines(keepends=True)
    told = [line for line in whole if json.loads(line)["kind"] != "finished"]
    events.write_text("".join(told) + whole[0][:9])
    assert (
        heron("run", spec_file, "--out", folder, *every_round, "--json").object["trajectory_digest"]
        == (undisturbed["trajectory_digest"])
    )
    record = read_record(folder)
    assert record.series == read_record(tmp_path / "one").series
    assert [attempt.after_round for attempt in record.attempts] == [0, 2]


def test_what_has_succeeded_is_not_run_again_and_no_other_run_gets_into_its_folder(heron, spec_file, tmp_path) -> None:
    heron("run", spec_file, "--out", tmp_path / "kept")
    before = {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    again = heron("run", spec_file, "--out", tmp_path / "kept")
    other = heron("run", spec_file, "--out", tmp_path / "kept", "--set", "seed=1")
    assert (again.code, other.code) == (2, 2)
    assert "has succeeded" in again.stderr
    assert "another spec" in other.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()} == before


def test_a_folder_with_other_things_in_it_is_refused(heron, spec_file, tmp_path) -> None:
    assert "not empty" in heron("run", spec_file, "--out", tmp_path).stderr


def test_a_run_that_diverges_leaves_a_result_that_says_so(heron, spec_file, tmp_path) -> None:
    too_fast = ("--set", "method.server_optimizer.lr=1000", "--set", "model.back=[64, 64, 64, 64, 64]", "--set", "rounds=60")
    outcome = heron("run", spec_file, "--out", tmp_path / "kept", *too_fast)
    record = read_record(tmp_path / "kept")
    assert (outcome.code, record.state, record.result) == (1, "FAILED", None)
    assert "diverged in round" in (record.message or "")
