"""`heron study` verbs that talk to a service."""

from __future__ import annotations

import csv
import json

import pytest
import yaml

from tests.cli.conftest import SPEC

STUDY = {
    "name": "small",
    "base": "spec.yaml",
    "axes": {
        "batch": {"kind": "path", "path": "clients.batch_size", "values": [4, 8]},
        "rule": {"kind": "path", "path": "aggregation.kind", "values": ["mean", "median"]},
    },
    "seeds": [0, 1],
    "figures": [{"kind": "bands", "x": "batch", "lines": "rule"}],
}


@pytest.fixture
def study_file(tmp_path):
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    return path


@pytest.fixture
def submit(heron, service, study_file):
    return lambda *options: heron("study", "submit", study_file, *options).stdout.strip()


def test_submit_queues_every_cell_and_prints_the_id(submit, store):
    id = submit("--set", "rounds=7", "--tag", "night")
    assert store.studies.get(id).experiments == 8
    queued = store.queued(limit=10)
    assert len(queued) == 8
    assert {(record.spec["rounds"], record.tags) for one in queued if (record := store.get(one.id))} == {(7, ("night",))}


def test_submit_under_a_key_that_was_used_finds_the_study(submit):
    assert submit("--idempotency-key", "night") == submit("--idempotency-key", "night") != submit()


def test_list_show_and_cancel_tell_where_studies_stand(heron, submit):
    ids = [submit(), submit()]
    listed = json.loads(heron("study", "list", "--json").stdout)["studies"]
    assert [study["id"] for study in listed] == ids[::-1]
    assert ids[0] in heron("study", "list").stdout
    shown = heron("study", "show", ids[0]).stdout
    assert "8 QUEUED" in shown
    assert "median" in shown
    assert json.loads(heron("study", "cancel", ids[0], "--json").stdout)["states"] == {"CANCELLED": 8}
    assert "8 CANCELLED" in heron("study", "cancel", ids[0]).stdout
    assert heron("study", "show", "none").code == 3


def test_fetch_writes_the_tables_and_figures(heron, submit, tmp_path):
    id, out = submit(), tmp_path / "deep" / "out"
    heron("study", "fetch", id, "-o", out)
    assert {path.name for path in out.iterdir()} == {"cells.csv", "summary.csv", "figure-1-bands.json", "figure-1-bands.html"}
    rows = list(csv.DictReader((out / "cells.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["batch"], row["rule"], row["seed"], row["state"]) for row in rows[:2]] == [
        ("4", "mean", "0", "QUEUED"),
        ("4", "mean", "1", "QUEUED"),
    ]


def test_a_study_with_a_fault_is_refused_with_its_path(heron, service, study_file):
    told = heron("study", "submit", study_file, "--set", "rounds=0")
    assert told.code == 2
    assert "rounds" in told.stderr
