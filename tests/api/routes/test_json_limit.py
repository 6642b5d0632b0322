import json

import httpx
import pytest

from api.settings import Settings
from tests.api.routes.test_problems import JSON, problem

DEEP = 8
MANY = 40


@pytest.fixture
def api(serve, sqlite_store):
    with httpx.Client(
        base_url=serve(sqlite_store, Settings(max_json_depth=DEEP, max_json_values=MANY)), trust_env=False
    ) as client:
        yield client


def spec(name):
    return b'{"spec": {"name": ' + name + b"}}"


def send(api, body):
    return api.post("/v1/experiments", content=body, headers=JSON)


def nested(depth):
    return b"[" * depth + b"]" * depth


def test_json_at_the_limits_reaches_the_spec(api):
    problem(send(api, spec(nested(DEEP - 2))), 422, "invalid_spec")
    problem(send(api, spec(json.dumps([0] * (MANY - 4)).encode())), 422, "invalid_spec")


@pytest.mark.parametrize("name", [nested(DEEP - 1), b"[" * 1000, b'{"a":' * 100_000, b'[{"":' * 20 + b"1" + b"}]" * 20])
def test_json_that_is_nested_too_deeply_is_told_the_limit(api, name):
    assert str(DEEP) in problem(send(api, spec(name)), 400, "nested_too_deeply")["detail"]


@pytest.mark.parametrize("value", [[0] * MANY, [[]] * MANY, {str(n): n for n in range(MANY)}])
def test_json_with_too_many_values_is_told_the_limit(api, value):
    assert str(MANY) in problem(send(api, spec(json.dumps(value).encode())), 413, "body_too_large")["detail"]


@pytest.mark.parametrize("text", ["[" * 1000, "[" * 100_000, "," * 1000, '\\"' + "[" * 1000, "\\" * 999, '"]' * 500])
def test_what_is_in_a_text_is_no_structure(api, text):
    problem(send(api, spec(json.dumps(text).encode())), 422, "invalid_spec")


@pytest.mark.parametrize("body", [b'"', b'{"spec": "' + b"x" * 100_000, b'{"spec": "x\\', b"]" * 100, b"\\"])
def test_what_is_not_json_is_told_so(api, body):
    problem(send(api, body), 400, "malformed_json")


def test_the_limit_holds_for_a_body_that_comes_in_pieces(api):
    answer = send(api, iter([b'{"spec": "[[[', b'[[[[[[[[[", "tags": ', b"[" * DEEP, b"]" * DEEP, b"}"]))
    problem(answer, 400, "nested_too_deeply")


def test_another_type_of_json_is_looked_at_too(api):
    headers = {"Content-Type": "application/merge-patch+json"}
    problem(api.post("/v1/experiments", content=spec(nested(99)), headers=headers), 400, "nested_too_deeply")


def test_an_endless_row_of_texts_is_not_looked_at_to_its_end(api):
    problem(send(api, b'"' * 1_000_000), 413, "body_too_large")
