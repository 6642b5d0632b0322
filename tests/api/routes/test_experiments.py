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
    assert nothing == {"events": [], "next": 3}


def test_cancelling_answers_with_the_new_state_and_a_second_time_is_a_conflict(api):
    id = submit(api)
    assert api.post(f"/v1/experiments/{id}/cancel").json()["state"] == "CANCELLED"
    again = api.post(f"/v1/experiments/{id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert id in again.json()["detail"]


def test_the_openapi_document_is_plain_json_and_names_every_route(api):
    document = json.loads(api.get("/openapi.json").text)
    assert set(document["paths"]) == {
        "/healthz",
        "/v1/experiments",
        "/v1/experiments/{id}",
        "/v1/experiments/{id}/series",
        "/v1/experiments/{id}/events",
        "/v1/experiments/{id}/cancel",
    }
