from __future__ import annotations

import json

import httpx
import pytest

from api.domain.states import State
from api.routes.examples import example_spec
from heron_ray.spec import parse_spec


@pytest.fixture
def api(serve, sqlite_store):
    """A client of an API over `sqlite_store`."""
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False) as client:
        yield client


def submit(api, **body):
    answer = api.post("/v1/experiments", json={"spec": example_spec(), **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_health_names_the_version(api):
    answer = api.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["version"]


def test_a_submitted_experiment_is_a_row_before_the_answer_leaves(api, sqlite_store):
    answer = api.post("/v1/experiments", json={"spec": example_spec(), "tags": ["night"]})
    body = answer.json()
    assert (answer.status_code, set(body), body["state"]) == (201, {"id", "state", "spec_hash"}, "QUEUED")
    assert answer.headers["location"] == f"/v1/experiments/{body['id']}"
    assert body["spec_hash"] == parse_spec(example_spec()).spec_hash()
    assert sqlite_store.get(body["id"]).tags == ("night",)


def test_showing_tells_where_it_stands_and_what_was_asked(api):
    shown = api.get(f"/v1/experiments/{submit(api)}").json()
    assert shown["state"] == "QUEUED"
    assert shown["progress"] == {"round": 0, "rounds": 20}
    assert shown["spec"] == parse_spec(example_spec()).canonical()
    assert (shown["reason"], shown["message"], shown["attempts"], shown["result"]) == (None, None, [], None)


def test_an_ended_experiment_shows_its_reason_its_attempts_and_its_result(api, sqlite_store, start_run):
    experiment, attempt = start_run(sqlite_store)
    result = {"test_accuracy": 0.5}
    sqlite_store.finish(attempt.id, attempt.token, state=State.FAILED, reason="diverged", message="why", result=result)
    shown = api.get(f"/v1/experiments/{experiment.id}").json()
    assert (shown["state"], shown["reason"], shown["message"]) == ("FAILED", "diverged", "why")
    assert shown["result"] == result
    (told,) = shown["attempts"]
    assert (told["number"], told["node"], told["driver_pid"], told["exit_reason"]) == (1, "node-a", 4711, "diverged")
    assert "token" not in told


def test_pages_of_the_list_follow_one_another_newest_first(api):
    ids = [submit(api) for _ in range(5)]
    first = api.get("/v1/experiments", params={"limit": 3}).json()
    second = api.get("/v1/experiments", params={"limit": 3, "before": first["next"]}).json()
    assert [found["id"] for found in first["experiments"] + second["experiments"]] == ids[::-1]
    assert second["next"] is None


def test_the_list_is_narrowed_by_states_and_tag(api):
    cancelled, queued = submit(api, tags=["a"]), submit(api, tags=["a", "b"])
    api.post(f"/v1/experiments/{cancelled}/cancel")

    def ids(**params):
        return [found["id"] for found in api.get("/v1/experiments", params=params).json()["experiments"]]

    assert ids(state="CANCELLED") == [cancelled]
    assert ids(state=["CANCELLED", "QUEUED"], tag="a") == [queued, cancelled]
    assert ids(tag="b") == [queued]


def test_series_hold_every_point_with_null_for_what_was_not_finite(api, sqlite_store, start_run):
    experiment, attempt = start_run(sqlite_store)
    rounds = [
        {"kind": "round_finished", "key": f"round_finished:{n}", "round": n, "rounds": 20, "metrics": {"loss": value}}
        for n, value in ((1, 0.1), (2, float("nan")))
    ]
    sqlite_store.record(attempt.id, attempt.token, events=rounds)
    answer = api.get(f"/v1/experiments/{experiment.id}/series").json()
    assert answer == {"series": {"loss": {"rounds": [1, 2], "values": [0.1, None]}}}
    assert api.get(f"/v1/experiments/{experiment.id}").json()["progress"] == {"round": 2, "rounds": 20}


def test_events_as_json_are_paged_by_number(api, sqlite_store, start_run):
    experiment, _ = start_run(sqlite_store)
    first = api.get(f"/v1/experiments/{experiment.id}/events", params={"limit": 2}).json()
    rest = api.get(f"/v1/experiments/{experiment.id}/events", params={"after": first["next"]}).json()
    nothing = api.get(f"/v1/experiments/{experiment.id}/events", params={"after": rest["next"]}).json()
    assert [event["data"]["state"] for event in first["events"] + rest["events"]] == ["QUEUED", "STARTING", "RUNNING"]
    assert [event["id"] for event in first["events"] + rest["events"]] == [1, 2, 3]
    assert nothing == {"events": [], "next": 3, "ended": False}


def test_cancelling_answers_with_the_new_state_and_a_second_time_is_a_conflict(api):
    id = submit(api)
    assert api.post(f"/v1/experiments/{id}/cancel").json()["state"] == "CANCELLED"
    again = api.post(f"/v1/experiments/{id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert id in again.json()["detail"]


def test_a_submission_sent_again_under_its_key_finds_the_experiment(api):
    body, key = {"spec": example_spec(), "tags": ["a"]}, {"Idempotency-Key": "night-1"}
    first = api.post("/v1/experiments", json=body, headers=key)
    again = api.post("/v1/experiments", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert len(api.get("/v1/experiments").json()["experiments"]) == 1


def test_another_submission_under_a_used_key_is_a_conflict(api):
    key = {"Idempotency-Key": "night-1"}
    first = api.post("/v1/experiments", json={"spec": example_spec()}, headers=key).json()
    other = api.post("/v1/experiments", json={"spec": example_spec(), "tags": ["x"]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert first["id"] in other.json()["detail"]


def test_a_refused_submission_leaves_its_key_free(api):
    key = {"Idempotency-Key": "night-1"}
    assert api.post("/v1/experiments", json={"spec": {}}, headers=key).status_code == 422
    assert api.post("/v1/experiments", json={"spec": example_spec()}, headers=key).status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "caf\xe9".encode("latin-1")])
def test_a_key_that_cannot_be_one_is_refused_by_name(api, key):
    refused = api.post("/v1/experiments", json={"spec": example_spec()}, headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert [issue["path"] for issue in refused.json()["issues"]] == ["Idempotency-Key"]
    assert api.get("/v1/experiments").json()["experiments"] == []


def test_an_ended_experiment_is_retried_as_a_new_one(api):
    first = submit(api, tags=["night"])
    assert api.post(f"/v1/experiments/{first}/retry").json()["code"] == "conflict"
    api.post(f"/v1/experiments/{first}/cancel")
    answer = api.post(f"/v1/experiments/{first}/retry")
    assert (answer.status_code, set(answer.json()), answer.json()["state"]) == (201, {"id", "state", "spec_hash"}, "QUEUED")
    shown = api.get(answer.headers["location"]).json()
    assert (shown["id"], shown["retried_from"], shown["tags"]) == (answer.json()["id"], first, ["night"])
    assert shown["id"] != first


def test_a_retry_sent_again_under_its_key_is_made_once(api):
    first, key = submit(api), {"Idempotency-Key": "again"}
    api.post(f"/v1/experiments/{first}/cancel")
    answers = [api.post(f"/v1/experiments/{first}/retry", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()


def test_an_ended_experiment_can_be_deleted_and_no_other(api, sqlite_store):
    id = submit(api)
    refused = api.delete(f"/v1/experiments/{id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    api.post(f"/v1/experiments/{id}/cancel")
    deleted = api.delete(f"/v1/experiments/{id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for gone in (api.get(f"/v1/experiments/{id}"), api.delete(f"/v1/experiments/{id}")):
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_pages_go_on_after_the_last_of_a_page_was_deleted(api):
    ids = [submit(api) for _ in range(4)]
    first = api.get("/v1/experiments", params={"limit": 2}).json()
    api.post(f"/v1/experiments/{ids[2]}/cancel")
    api.delete(f"/v1/experiments/{ids[2]}")
    second = api.get("/v1/experiments", params={"limit": 2, "before": first["next"]}).json()
    assert [found["id"] for found in second["experiments"]] == [ids[1], ids[0]]


def test_the_openapi_document_is_plain_json_and_names_every_route(api):
    document = json.loads(api.get("/openapi.json").text)
    about_experiments = {path for path in document["paths"] if path.startswith("/v1/experiments") and "figures" not in path}
    assert about_experiments == {
        "/v1/experiments",
        "/v1/experiments/actions",
        "/v1/experiments/{id}/export",
        "/v1/experiments/{id}/kill",
        "/v1/experiments/{id}/why",
        "/v1/experiments/compare",
        "/v1/experiments/compare/figure",
        "/v1/experiments/{id}",
        "/v1/experiments/{id}/series",
        "/v1/experiments/{id}/events",
        "/v1/experiments/{id}/cancel",
        "/v1/experiments/{id}/retry",
        "/v1/experiments/{id}/fork",
        "/v1/experiments/{id}/artifacts",
        "/v1/experiments/{id}/artifacts/{name}",
        "/v1/experiments/{id}/logs",
    }
