from __future__ import annotations

import copy
import json
import sqlite3

import httpx
import pytest

from api.routes.examples import example_spec
from api.settings import Settings
from heron_ray.errors import SpecError
from heron_ray.spec import parse_spec

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api(serve, sqlite_store):
    """A client of an API over `sqlite_store`; no test of this file may leave an experiment behind."""
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False) as client:
        yield client
    assert sqlite_store.list(limit=1) == []


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:heron-ray:problem:{code}"
    assert document["title"]
    assert document["detail"]
    assert "hint" in document
    return document


def changed(path, value):
    spec = copy.deepcopy(example_spec())
    *parents, leaf = path.split(".")
    holder = spec
    for parent in parents:
        holder = holder[parent]
    holder[leaf] = value
    return spec


@pytest.mark.parametrize(
    ("path", "value", "suggestion"),
    [
        ("roundz", 3, "rounds"),
        ("rounds", "three", None),
        ("rounds", 0, None),
        ("partition.alpha", 0, None),
        ("method.zeroth_order.probs", 8, "probes"),
        ("method.kind", "heronn", "heron"),
        ("clients.per_round", 11, None),
        ("model.cut", 9, None),
    ],
)
def test_an_invalid_spec_is_told_in_the_words_of_the_command_line(api, path, value, suggestion):
    spec = changed(path, value)
    with pytest.raises(SpecError) as refusal:
        parse_spec(spec)
    document = problem(api.post("/v1/experiments", json={"spec": spec}), 422, "invalid_spec")
    told = [(issue["path"], issue["message"], issue["suggestion"]) for issue in document["issues"]]
    assert told == [(issue.path, issue.message, issue.suggestion) for issue in refusal.value.issues]
    assert (path, suggestion) in [(issue["path"], issue["suggestion"]) for issue in document["issues"]]
    assert document["detail"] == refusal.value.message


@pytest.mark.parametrize("spec", [None, [], "digits-heron.yaml", 7, {}, {"seed": 1}])
def test_something_that_is_no_spec_is_an_invalid_spec(api, spec):
    problem(api.post("/v1/experiments", json={"spec": spec}), 422, "invalid_spec")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_an_invalid_spec(api, number):
    body = json.dumps({"spec": changed("method.zeroth_order.mu", "NUMBER")}).replace('"NUMBER"', number)
    document = problem(api.post("/v1/experiments", content=body, headers=JSON), 422, "invalid_spec")
    assert [issue["path"] for issue in document["issues"]] == ["method.zeroth_order.mu"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "spec"),
        ({"spec": example_spec(), "tag": "x"}, "tag"),
        ({"spec": example_spec(), "tag\ud800": "x"}, ""),
        ({"spec": example_spec(), "tags": "x"}, "tags"),
        ({"spec": example_spec(), "tags": ["fine", "not\u0000fine"]}, "tags.1"),
        ({"spec": example_spec(), "tags": ["\ud800"]}, "tags.0"),
        ({"spec": example_spec(), "tags": [""]}, "tags.0"),
        ({"spec": example_spec(), "tags": ["x" * 65]}, "tags.0"),
        ([], ""),
    ],
)
def test_a_wrong_request_body_names_the_field(api, body, path):
    answer = api.post("/v1/experiments", content=json.dumps(body), headers=JSON)
    document = problem(answer, 422, "invalid_request")
    assert [issue["path"] for issue in document["issues"]] == [path]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'spec': 1}", b"\xff\xfe", b'{"spec": ' + b"9" * 5000 + b"}"],
    ids=["empty", "cut off", "single quotes", "not UTF-8", "endless number"],
)
def test_a_body_that_is_not_json_is_a_bad_request(api, body):
    answer = api.post("/v1/experiments", content=body, headers=JSON)
    if body:
        problem(answer, 400, "malformed_json")
    else:
        problem(answer, 422, "invalid_request")


@pytest.mark.parametrize("depth", [50, 150, 300, 450, 900, 5000, 50_000])
def test_nesting_of_any_depth_is_refused_in_order(api, depth):
    body = b'{"spec": {"name": ' + b"[" * depth + b"]" * depth + b"}}"
    answer = api.post("/v1/experiments", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_text_that_is_not_unicode_is_an_invalid_spec(api, name):
    body = json.dumps({"spec": changed("name", name)})
    problem(api.post("/v1/experiments", content=body, headers=JSON), 422, "invalid_spec")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_body_not_declared_as_json_is_told_how_to(api, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = api.post("/v1/experiments", content=json.dumps({"spec": example_spec()}), headers=headers)
    assert "Content-Type: application/json" in problem(answer, 415, "unsupported_media_type")["hint"]


@pytest.mark.parametrize("declared", [True, False], ids=["declared length", "streamed"])
def test_a_body_over_the_limit_is_refused(api, declared):
    body = b'{"spec": "' + b"x" * (1024 * 1024) + b'"}'
    answer = api.post("/v1/experiments", content=body if declared else iter([body]), headers=JSON)
    assert "1048576" in problem(answer, 413, "body_too_large")["detail"]


def test_a_body_at_the_limit_is_read(serve, sqlite_store):
    body = json.dumps({"spec": {}}).encode()
    with httpx.Client(base_url=serve(sqlite_store, Settings(max_body_bytes=len(body))), trust_env=False) as client:
        problem(client.post("/v1/experiments", content=body, headers=JSON), 422, "invalid_spec")
        problem(client.post("/v1/experiments", content=body + b" ", headers=JSON), 413, "body_too_large")


@pytest.mark.parametrize("route", ["", "/series", "/events"])
def test_an_unknown_experiment_is_not_found_by_name(api, route):
    document = problem(api.get(f"/v1/experiments/nonesuch{route}"), 404, "not_found")
    assert "nonesuch" in document["detail"]


def test_a_stream_or_a_cancel_of_an_unknown_experiment_is_not_found(api):
    stream = api.get("/v1/experiments/nonesuch/events", headers={"Accept": "text/event-stream"})
    problem(stream, 404, "not_found")
    problem(api.post("/v1/experiments/nonesuch/cancel"), 404, "not_found")


def test_an_unknown_route_and_a_wrong_method_are_told_apart(api):
    assert "/v1/experimentz" in problem(api.get("/v1/experimentz"), 404, "unknown_route")["detail"]
    wrong = api.delete("/v1/experiments")
    problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"]


@pytest.mark.parametrize(
    ("query", "path"),
    [("limit=0", "limit"), ("limit=many", "limit"), ("state=RUNING", "state.0"), (f"limit={10**30}", "limit")],
)
def test_a_wrong_query_names_the_parameter(api, query, path):
    document = problem(api.get(f"/v1/experiments?{query}"), 422, "invalid_request")
    assert [issue["path"] for issue in document["issues"]] == [path]


def test_a_page_after_an_unknown_experiment_is_not_found(api):
    problem(api.get("/v1/experiments?before=nonesuch"), 404, "not_found")


@pytest.mark.parametrize("after", ["-1", "x", str(2**63)])
def test_a_wrong_event_cursor_names_the_parameter(api, after):
    answer = api.get(f"/v1/experiments/any/events?after={after}")
    assert problem(answer, 422, "invalid_request")["issues"][0]["path"] == "after"


def test_an_unexpected_failure_shows_nothing_of_the_inside(serve, sqlite_store):
    def fail() -> None:
        raise RuntimeError("the secret inside")

    base_url = serve(sqlite_store, prepare=lambda app: app.add_api_route("/fail", fail))
    answer = httpx.get(f"{base_url}/fail", trust_env=False)
    problem(answer, 500, "internal_error")
    assert "secret" not in answer.text


def test_a_broken_database_is_unavailable_and_shows_nothing_of_the_inside(serve, sqlite_store, tmp_path):
    base_url = serve(sqlite_store)
    connection = sqlite3.connect(tmp_path / "heron.db")
    connection.execute("ALTER TABLE experiment RENAME TO elsewhere")
    connection.close()
    for route in ("/healthz", "/v1/experiments"):
        answer = httpx.get(f"{base_url}{route}", trust_env=False)
        problem(answer, 503, "database_error")
        assert "no such table" not in answer.text
