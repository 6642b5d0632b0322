from __future__ import annotations

import sqlite3

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.routes.examples import example_spec


@pytest.fixture
def api(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False, timeout=30) as client:
        yield client


def read(api):
    """Samples by name and labels."""
    answer = api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}


def requests(found, method, route, status):
    return found.get(("heron_http_requests_total", ("method", method), ("route", route), ("status", status)))


def test_experiments_are_counted_by_state(api):
    ids = [api.post("/v1/experiments", json={"spec": example_spec()}).json()["id"] for _ in range(3)]
    api.post(f"/v1/experiments/{ids[0]}/cancel")
    found = read(api)
    states = {name[1][1]: value for name, value in found.items() if name[0] == "heron_experiments"}
    assert (states["QUEUED"], states["CANCELLED"], states["RUNNING"], len(states)) == (2, 1, 0, 8)


def test_rounds_of_running_experiments_and_the_wait_of_the_oldest_queued_one_are_told(api, sqlite_store, start_run):
    idle = read(api)
    assert (idle[("heron_running_rounds",)], idle[("heron_queue_oldest_seconds",)]) == (0, 0)
    for rounds in (2, 3):
        _, attempt = start_run(sqlite_store)
        for round in range(1, rounds + 1):
            event = {"kind": "round_finished", "key": f"round_finished:{round}", "round": round, "rounds": 9, "metrics": {}}
            sqlite_store.record(attempt.id, attempt.token, events=[event])
    api.post("/v1/experiments", json={"spec": example_spec()})
    busy = read(api)
    assert busy[("heron_running_rounds",)] == 5
    assert 0 < busy[("heron_queue_oldest_seconds",)] < 600


def test_requests_are_counted_by_declared_route_and_status(api):
    for id in ("one", "two", "three"):
        api.get(f"/v1/experiments/{id}")
    api.get("/v1/experiments", params={"limit": 0})
    api.get("/wp-admin")
    api.request("PROPFIND", "/coffee")
    found = read(api)
    assert requests(found, "GET", "/v1/experiments/{id}", "404") == 3
    assert requests(found, "GET", "/v1/experiments", "422") == 1
    assert requests(found, "GET", "other", "404") == 1
    assert requests(found, "other", "other", "404") == 1
    timed = ("heron_http_request_duration_seconds_count", ("method", "GET"), ("route", "/v1/experiments/{id}"))
    assert found[timed] == 3
    assert not any("wp-admin" in str(name) or "PROPFIND" in str(name) for name in found)


def test_a_failure_inside_is_counted_as_500(serve, sqlite_store):
    def fail() -> None:
        raise RuntimeError("inside")

    base_url = serve(sqlite_store, prepare=lambda app: app.add_api_route("/fail", fail))
    httpx.get(f"{base_url}/fail", trust_env=False)  # uvicorn closes the connection of a request that broke
    with httpx.Client(base_url=base_url, trust_env=False) as api:
        assert requests(read(api), "GET", "/fail", "500") == 1


def test_an_open_stream_is_counted_while_it_is_open(api, sqlite_store, start_run):
    experiment, _ = start_run(sqlite_store)
    url, stream = f"/v1/experiments/{experiment.id}/events", {"Accept": "text/event-stream"}
    with api.stream("GET", url, headers=stream) as response:
        lines = response.iter_lines()
        next(lines)
        found = read(api)
    assert found[("heron_event_streams",)] == 1
    assert requests(found, "GET", "/v1/experiments/{id}/events", "200") == 1


def test_a_database_that_does_not_answer_is_told_and_the_rest_is_still_there(api, tmp_path):
    assert read(api)[("heron_database_up",)] == 1
    connection = sqlite3.connect(tmp_path / "heron.db")
    connection.execute("ALTER TABLE experiment RENAME TO elsewhere")
    connection.close()
    found = read(api)
    assert found[("heron_database_up",)] == 0
    assert requests(found, "GET", "/metrics", "200") == 1
    assert ("heron_database_connections", ("state", "in_use")) in found
