"""Why an experiment waits, how it is retried, what it needs, and its end at once: over HTTP."""

from __future__ import annotations

import httpx
import pytest

from api.routes.examples import example_spec


@pytest.fixture
def client(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False) as client:
        yield client


def submit(client, **more):
    return client.post("/v1/experiments", json={"spec": example_spec(), **more})


def test_a_queued_experiment_says_what_it_waits_for_and_who_is_ahead(client, sqlite_store):
    submit(client)
    id = submit(client).json()["id"]
    sqlite_store.note_waiting({id: "waits for 8.0 GiB of memory: 3.1 of 20.0 GiB are free"})
    standing = client.get(f"/v1/experiments/{id}/why").json()
    assert standing["ahead"] == 1
    assert standing["why"] == "waits for 8.0 GiB of memory: 3.1 of 20.0 GiB are free; ahead of it: 1 experiment"
    assert client.get(f"/v1/experiments/{id}").json()["waiting"] == standing["waiting"]


def test_one_that_has_ended_says_what_ended_it(client):
    id = submit(client).json()["id"]
    assert client.post(f"/v1/experiments/{id}/kill").json()["reason"] == "kill_requested"
    assert client.get(f"/v1/experiments/{id}/why").json()["why"] == "CANCELLED: killed on request"


def test_what_a_runs_rounds_have_shown_to_go_wrong_is_part_of_the_answer(client, sqlite_store):
    id = submit(client).json()["id"]
    _, attempt = sqlite_store.claim(owner="me", lease_s=60)
    told = {"round": 12, "name": "vanishing_probes", "message": "the probes do not change the loss"}
    told |= {"advice": "raise mu", "figures": {}}
    event = {"kind": "diagnosis", "key": "diagnosis:vanishing_probes", **told}
    sqlite_store.record(attempt.id, attempt.token, events=[event, event])
    why = client.get(f"/v1/experiments/{id}/why").json()["why"]
    assert why.endswith("; vanishing probes (round 12): the probes do not change the loss")
    (kept,) = [one for one in client.get(f"/v1/experiments/{id}/events").json()["events"] if one["kind"] == "diagnosis"]
    assert kept["data"] == told


@pytest.mark.parametrize("route", ["why", "kill"])
def test_an_unknown_experiment_is_not_found(client, route):
    answer = client.request("GET" if route == "why" else "POST", f"/v1/experiments/nonesuch/{route}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_one_that_has_ended_cannot_be_killed(client):
    id = submit(client).json()["id"]
    client.post(f"/v1/experiments/{id}/kill")
    answer = client.post(f"/v1/experiments/{id}/kill")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_policy_and_resources_are_shown_as_they_were_submitted(client):
    retry = {"max_attempts": 3, "reasons": ["driver_lost", "out_of_memory"]}
    id = submit(client, retry=retry, resources={"memory_bytes": 5}).json()["id"]
    page = client.get(f"/v1/experiments/{id}").json()
    assert page["retry"] == retry
    assert page["resources"]["memory_bytes"] == 5
    assert page["resources"]["estimated"] == []


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"retry": {"max_attempts": 0}}, "retry.max_attempts"),
        ({"retry": {"max_attempts": 21}}, "retry.max_attempts"),
        ({"retry": {"reasons": ["diverged"]}}, "retry.reasons.0"),
        ({"retry": {"often": True}}, "retry.often"),
        ({"resources": {"cpus": -1}}, "resources.cpus"),
        ({"resources": {"memory_bytes": 1.5}}, "resources.memory_bytes"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_path(client, more, path):
    answer = submit(client, **more)
    assert answer.status_code == 422
    assert [issue["path"] for issue in answer.json()["issues"]] == [path]
