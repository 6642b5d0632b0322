"""What an experiment left behind, over HTTP: lists, whole files, ranges, logs, forks."""

from __future__ import annotations

import base64
import hashlib
import json

import httpx
import pytest

from api.domain.artifacts import CHECKPOINT_STATE, LOG, MODEL, SPEC, attempt_folder
from api.domain.states import State
from api.settings import Settings

MODEL_BYTES = bytes(range(256)) * 4
SHA = hashlib.sha256(MODEL_BYTES).hexdigest()
DIGEST = f"sha-256=:{base64.b64encode(bytes.fromhex(SHA)).decode()}:"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "artifacts"


@pytest.fixture
def api(serve, sqlite_store, folder):
    """A client of an API over `sqlite_store` that knows the folder."""
    with httpx.Client(base_url=serve(sqlite_store, Settings(artifacts=folder)), trust_env=False) as client:
        yield client


@pytest.fixture
def ended(sqlite_store, leave_artifacts, folder):
    """The path of an ended experiment that left its model, its spec and a checkpoint."""
    return f"/v1/experiments/{leave_artifacts(sqlite_store, folder)}"


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    return answer.json()["detail"]


def test_the_list_says_how_large_each_file_is_and_what_its_digest(api, ended):
    found = api.get(f"{ended}/artifacts").json()["artifacts"]
    assert [one["name"] for one in found] == [CHECKPOINT_STATE, MODEL, SPEC]
    model = found[1]
    assert (model["kind"], model["size_bytes"], model["sha256"], model["round"]) == ("model", 1024, SHA, 10)


def test_an_experiment_that_runs_has_none(api, sqlite_store, start_run):
    experiment, _ = start_run(sqlite_store)
    assert api.get(f"/v1/experiments/{experiment.id}/artifacts").json() == {"artifacts": []}


def test_a_file_comes_whole_as_an_attachment_with_its_digest(api, ended):
    answer = api.get(f"{ended}/artifacts/{MODEL}")
    assert (answer.status_code, answer.content) == (200, MODEL_BYTES)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["etag"] == f'"{SHA}"'
    assert answer.headers["content-digest"] == answer.headers["repr-digest"] == DIGEST
    assert answer.headers["content-disposition"] == f'attachment; filename="{MODEL}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"


def test_a_file_below_another_folder_is_found_by_its_path(api, ended):
    answer = api.get(f"{ended}/artifacts/{CHECKPOINT_STATE}")
    assert answer.content == b"state"
    assert answer.headers["content-disposition"] == 'attachment; filename="state.safetensors"'


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=-4", 1020, 1024),
        ("bytes=9-9999", 9, 1024),
    ],
)
def test_a_range_brings_these_bytes_alone(api, ended, wanted, start, stop):
    answer = api.get(f"{ended}/artifacts/{MODEL}", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, MODEL_BYTES[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1024"
    assert answer.headers["repr-digest"] == DIGEST
    assert "content-digest" not in answer.headers


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=-", "bytes=0-1023"])
def test_a_range_that_may_be_ignored_brings_the_whole_file(api, ended, wanted):
    answer = api.get(f"{ended}/artifacts/{MODEL}", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, MODEL_BYTES)


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_the_file_is_refused_with_its_size(api, ended, wanted):
    answer = api.get(f"{ended}/artifacts/{MODEL}", headers={"Range": wanted})
    assert "1024 bytes" in problem(answer, 416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */1024"


def test_a_range_of_another_version_brings_the_whole_file(api, ended):
    headers = {"Range": "bytes=1000-", "If-Range": '"other"'}
    assert api.get(f"{ended}/artifacts/{MODEL}", headers=headers).status_code == 200
    assert api.get(f"{ended}/artifacts/{MODEL}", headers={**headers, "If-Range": f'"{SHA}"'}).status_code == 206


def test_a_file_that_one_has_already_is_not_sent_again(api, ended):
    answer = api.get(f"{ended}/artifacts/{MODEL}", headers={"If-None-Match": f'"x", "{SHA}"'})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["other.txt", "../../secret", "..%2f..%2fsecret", "/etc/passwd", "%2fetc%2fpasswd", LOG, "checkpoint"]
)
def test_a_name_that_was_not_recorded_is_not_served(api, ended, folder, name):
    (folder / "secret").write_text("hush")
    answer = api.get(f"{ended}/artifacts/{name}")
    assert answer.status_code == 404
    assert "hush" not in answer.text


def test_a_name_that_none_can_have_is_refused(api, ended):
    problem(api.get(f"{ended}/artifacts/%00"), 422, "invalid_request")


@pytest.mark.parametrize("harm", ["missing", "short", "long"])
def test_a_file_that_is_not_what_was_recorded_is_a_problem_and_never_half_an_answer(api, ended, folder, harm):
    path = attempt_folder(folder, ended.rpartition("/")[2], 1) / MODEL
    path.unlink()
    if harm != "missing":
        path.write_bytes(MODEL_BYTES[:-1] if harm == "short" else MODEL_BYTES + b"x")
    assert MODEL in problem(api.get(f"{ended}/artifacts/{MODEL}"), 410, "artifact_lost")
    assert problem(api.get(f"{ended}/artifacts/{MODEL}", headers={"Range": "bytes=0-1"}), 410, "artifact_lost")


def test_an_api_without_a_folder_says_so(serve, sqlite_store, leave_artifacts, tmp_path):
    id = leave_artifacts(sqlite_store, tmp_path)
    answer = httpx.get(f"{serve(sqlite_store)}/v1/experiments/{id}/artifacts/{MODEL}", trust_env=False)
    assert "without a folder of artifacts" in problem(answer, 404, "not_found")


@pytest.mark.parametrize("path", ["artifacts", f"artifacts/{MODEL}", "logs"])
def test_an_unknown_experiment_is_not_found_by_name(api, path):
    assert "'nonesuch'" in problem(api.get(f"/v1/experiments/nonesuch/{path}"), 404, "not_found")


class TestLogs:
    def test_pages_of_a_log_are_whole_lines_and_come_to_the_whole(self, api, sqlite_store, leave_artifacts, folder):
        log = "".join(f"{number:05d} an ä line\n" for number in range(20_000))
        path = f"/v1/experiments/{leave_artifacts(sqlite_store, folder, log=log)}/logs"
        pages, after = [], 0
        while not pages or not pages[-1]["complete"]:
            pages.append(api.get(path, params={"after": after}).json())
            after = pages[-1]["next"]
        assert "".join(page["text"] for page in pages) == log
        assert len(pages) > 3
        assert all(page["text"].endswith("\n") and len(page["text"].encode()) <= 64 * 1024 for page in pages)
        assert {page["attempt"] for page in pages} == {1}

    def test_a_log_that_may_grow_is_not_complete(self, api, sqlite_store, start_run, folder):
        experiment, attempt = start_run(sqlite_store)
        path = f"/v1/experiments/{experiment.id}/logs"
        assert api.get(path).json() == {"attempt": 1, "text": "", "next": 0, "complete": False}
        log = attempt_folder(folder, experiment.id, 1) / LOG
        log.parent.mkdir(parents=True)
        log.write_text("started\n")
        assert api.get(path).json() == {"attempt": 1, "text": "started\n", "next": 8, "complete": False}
        sqlite_store.finish(attempt.id, attempt.token, state=State.FAILED, reason="diverged", message=None, result=None)
        assert api.get(path, params={"after": 8}).json() == {"attempt": 1, "text": "", "next": 8, "complete": True}

    def test_the_log_of_each_attempt_is_kept(self, api, sqlite_store, start_run, folder):
        experiment, attempt = start_run(sqlite_store)
        sqlite_store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="gone", max_attempts=9)
        assert sqlite_store.claim(owner="dispatcher-1", lease_s=60)
        for number in (1, 2):
            log = attempt_folder(folder, experiment.id, number) / LOG
            log.parent.mkdir(parents=True)
            log.write_text(f"of attempt {number}\n")
        path = f"/v1/experiments/{experiment.id}/logs"
        assert api.get(path).json()["text"] == "of attempt 2\n"
        first = api.get(path, params={"attempt": 1}).json()
        assert (first["text"], first["complete"]) == ("of attempt 1\n", True)
        assert "no attempt 3" in problem(api.get(path, params={"attempt": 3}), 404, "not_found")

    def test_an_experiment_that_was_never_begun_has_an_empty_log(self, api, sqlite_store, make_spec):
        id = sqlite_store.submit(make_spec()).id
        assert api.get(f"/v1/experiments/{id}/logs").json() == {"attempt": 0, "text": "", "next": 0, "complete": False}
        sqlite_store.request_cancel(id)
        assert api.get(f"/v1/experiments/{id}/logs").json()["complete"] is True


class TestForking:
    @pytest.mark.parametrize(
        "overrides", [{"rounds": 40, "method.zeroth_order.mu": 0.01}, ["rounds=40", "method.zeroth_order.mu=1e-2"]]
    )
    def test_a_fork_is_submitted_with_its_overrides_in_either_form(self, api, sqlite_store, ended, overrides):
        answer = api.post(f"{ended}/fork", json={"overrides": overrides, "tags": ["more"]})
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"/v1/experiments/{answer.json()['id']}"
        shown = api.get(answer.headers["location"]).json()
        assert (shown["spec"]["rounds"], shown["spec"]["method"]["zeroth_order"]["mu"]) == (40, 0.01)
        assert (shown["forked_from"], shown["forked_round"]) == (ended.rpartition("/")[2], 10)
        assert (shown["state"], shown["tags"], shown["progress"]) == ("QUEUED", ["more"], {"round": 10, "rounds": 40})

    def test_what_a_fork_must_keep_is_refused_field_by_field(self, api, ended):
        answer = api.post(f"{ended}/fork", json={"overrides": {"seed": 1, "model.front": [16, 16], "nonsense": 1}})
        problem(answer, 422, "invalid_spec")
        assert [issue["path"] for issue in answer.json()["issues"]] == ["nonsense"]
        answer = api.post(f"{ended}/fork", json={"overrides": {"seed": 1, "model.front": [16, 16]}})
        problem(answer, 422, "invalid_spec")
        assert {issue["path"] for issue in answer.json()["issues"]} == {"seed", "model.front"}
        assert "drawn from it" in answer.text

    @pytest.mark.parametrize(
        "overrides", [["rounds"], {"a.b.c": 1}, {"": 1}, {"rounds.x": 1}, ["=1"], {"rounds": "\ud800"}, "rounds=4"]
    )
    def test_overrides_that_are_none_are_named(self, api, ended, overrides):
        body = json.dumps({"overrides": overrides})
        answer = api.post(f"{ended}/fork", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    def test_the_same_key_and_body_find_the_same_fork(self, api, ended):
        headers = {"Idempotency-Key": "night"}
        first = api.post(f"{ended}/fork", json={"overrides": {"rounds": 40}}, headers=headers)
        again = api.post(f"{ended}/fork", json={"overrides": ["rounds=40"]}, headers=headers)
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        problem(api.post(f"{ended}/fork", json={"overrides": {"rounds": 41}}, headers=headers), 409, "conflict")

    def test_what_cannot_be_forked_is_a_conflict_or_not_found(self, api, sqlite_store, make_spec, ended):
        id = sqlite_store.submit(make_spec()).id
        problem(api.post(f"/v1/experiments/{id}/fork", json={}), 409, "conflict")
        problem(api.post(f"{ended}/fork", json={"round": 3}), 409, "conflict")
        problem(api.post("/v1/experiments/nonesuch/fork", json={}), 404, "not_found")
