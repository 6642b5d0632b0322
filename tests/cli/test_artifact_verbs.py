"""The verbs for what an experiment left behind, against the real API over real files."""

from __future__ import annotations

import hashlib
import json

import pytest

from api.domain.artifacts import CHECKPOINT_STATE, LOG, MODEL, ArtifactFile, ArtifactKind, attempt_folder
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import load_spec, parse_spec
from tests.cli.conftest import SPEC

CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def folder(tmp_path, service):
    """Where the service's artifacts lie."""
    return tmp_path / "artifacts"


@pytest.fixture
def ended(store, dispatcher, folder):
    """The id of an ended experiment that left a model and a checkpoint of round 3, and a log."""
    id = store.submit(parse_spec(SPEC), ["nightly"]).id
    attempt = dispatcher.claim()
    files = []
    for name, kind in ((MODEL, ArtifactKind.MODEL), (CHECKPOINT_STATE, ArtifactKind.CHECKPOINT)):
        path = attempt_folder(folder, id, 1) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
        digest = hashlib.sha256(CONTENT).hexdigest()
        files.append(ArtifactFile(name=name, kind=kind, size_bytes=len(CONTENT), sha256=digest, round=3))
    (attempt_folder(folder, id, 1) / LOG).write_text("it began\nit ended\n")
    store.artifacts.record(*attempt, files=files)
    dispatcher.succeed(attempt)
    return id


def test_artifacts_lists_names_sizes_and_digests(heron, ended) -> None:
    lines = heron("artifacts", ended).stdout.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "SIZE", "ROUND", "SHA-256"]
    assert lines[2].split()[:5] == [MODEL, "model", "500.0", "KiB", "3"]
    assert [one["name"] for one in heron("artifacts", ended, "--json").object["artifacts"]] == [CHECKPOINT_STATE, MODEL]


def test_download_brings_every_file_or_those_that_are_named(heron, ended, tmp_path) -> None:
    everything = tmp_path / "all"
    assert heron("download", ended, "-o", everything).code == 0
    assert (everything / MODEL).read_bytes() == (everything / CHECKPOINT_STATE).read_bytes() == CONTENT
    one = heron("download", ended, MODEL, "-o", tmp_path / "one", "--json")
    assert one.object == {"files": [str(tmp_path / "one" / MODEL)]}
    missing = heron("download", ended, "other.txt", "-o", tmp_path, "--json")
    assert (missing.code, missing.object["error"]["code"]) == (3, "not_found")
    assert MODEL in missing.object["error"]["hint"]


def test_an_interrupted_download_is_resumed_and_only_the_rest_is_sent(heron, ended, folder, tmp_path) -> None:
    partial = tmp_path / f"{MODEL}.part"
    # Were the whole sent again, the download would succeed: so what lies here already is wrong, and shows.
    partial.write_bytes(b"?" + CONTENT[1:1000])
    refused = heron("download", ended, MODEL, "-o", tmp_path, "--json")
    assert refused.code == 1
    assert "another SHA-256" in refused.object["error"]["message"]
    assert not partial.exists()
    partial.write_bytes(CONTENT[:1000])
    assert heron("download", ended, MODEL, "-o", tmp_path).code == 0
    assert (tmp_path / MODEL).read_bytes() == CONTENT
    assert not partial.exists()


def test_a_file_that_is_there_whole_is_not_fetched_again(heron, ended, folder, tmp_path) -> None:
    assert heron("download", ended, MODEL, "-o", tmp_path).code == 0
    (attempt_folder(folder, ended, 1) / MODEL).unlink()
    assert heron("download", ended, MODEL, "-o", tmp_path).code == 0
    (tmp_path / MODEL).write_bytes(b"changed")
    lost = heron("download", ended, MODEL, "-o", tmp_path, "--json")
    assert lost.code == 1
    assert "cannot be read" in lost.object["error"]["message"]


@pytest.mark.parametrize("options", [[], ["--follow"], ["--attempt", "1"]])
def test_logs_prints_the_log_of_an_attempt(heron, ended, options) -> None:
    assert heron("logs", ended, *options).stdout == "it began\nit ended\n"
    pages = [json.loads(line) for line in heron("logs", ended, *options, "--json").stdout.splitlines()]
    assert pages == [{"attempt": 1, "text": "it began\nit ended\n", "next": 18, "complete": True}]


def test_fork_prints_the_id_of_the_new_experiment(heron, store, ended) -> None:
    outcome = heron("fork", ended, "--set", "rounds=7", "--set", "method.zeroth_order.mu=1e-2")
    assert outcome.code == 0
    fork = store.get(outcome.stdout.strip())
    assert (fork.rounds, fork.spec["method"]["zeroth_order"]["mu"], fork.tags) == (7, 0.01, ("nightly",))
    assert (fork.forked_from, fork.forked_round) == (ended, 3)
    first = heron("fork", ended, "--set", "rounds=8", "--idempotency-key", "k", "--tag", "more", "--json").object
    assert heron("fork", ended, "--set", "rounds=8", "--idempotency-key", "k", "--tag", "more", "--json").object == first


def test_what_a_fork_must_keep_is_bad_usage_by_name(heron, ended) -> None:
    refused = heron("fork", ended, "--set", "seed=3", "--json")
    assert refused.code == 2
    assert {issue["path"] for issue in refused.object["error"]["issues"]} == {"seed", "rounds"}
    assert heron("fork", ended, "--set", "rounds=9", "--round", "1").code == 4


def test_a_run_here_starts_from_downloaded_artifacts(heron, spec_file, tmp_path) -> None:
    kept, parent = tmp_path / "kept", tmp_path / "parent"
    assert heron("run", spec_file, "--checkpoint-dir", kept).code == 0
    parent.mkdir()
    (kept / "round-00000003").rename(parent / "checkpoint")
    (parent / "spec.yaml").write_text(spec_file.read_text())
    forked = heron("run", spec_file, "--set", "rounds=5", "--fork-from", parent, "--json")
    with LocalExecutor() as executor:
        whole = Simulation(load_spec(spec_file, ["rounds=5"])[0], executor).run()
    assert forked.object["trajectory_digest"] == whole.trajectory_digest
    refused = heron("run", spec_file, "--set", "rounds=5", "--set", "seed=1", "--fork-from", parent, "--json")
    assert refused.code == 1
    assert "seed: a fork cannot change it" in refused.stderr


@pytest.mark.parametrize("verb", ["artifacts", "download", "logs", "fork"])
def test_an_unknown_id_exits_with_3(heron, service, verb: str) -> None:
    assert heron(verb, "0123abcd", "--json").code == 3
