"""Specs before they are submitted: the schema, ready ones, verdicts."""

from __future__ import annotations

import httpx
import pytest

from api.domain.policy import Policy
from api.routes.examples import example_spec
from api.settings import Settings
from heron_ray.spec import ExperimentSpec, parse_spec


@pytest.fixture
def client(serve, sqlite_store):
    settings = Settings(policy=Policy(max_rounds=1_000_000))
    with httpx.Client(base_url=serve(sqlite_store, settings), trust_env=False, timeout=60) as opened:
        yield opened


def judge(client, **draft):
    answer = client.post("/v1/specs/validate", json=draft)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_schema_is_that_of_the_spec(client):
    schema = client.get("/v1/specs/schema").json()
    assert schema.pop("$schema") == "https://json-schema.org/draft/2020-12/schema"
    assert schema == ExperimentSpec.model_json_schema()


def test_every_ready_spec_is_valid_described_and_no_study(client):
    specs = client.get("/v1/specs/ready").json()["specs"]
    assert "digits-heron.yaml" in [spec["path"] for spec in specs]
    assert not [spec["path"] for spec in specs if spec["path"].startswith(("studies/", "/"))]
    for spec in specs:
        parse_spec(spec["spec"])
        assert spec["description"]


def test_a_valid_draft_gets_its_complete_form_and_is_not_submitted(client, sqlite_store):
    verdict = judge(client, spec=example_spec())
    wanted = parse_spec(example_spec())
    assert (verdict["valid"], verdict["issues"], verdict["spec_hash"]) == (True, [], wanted.spec_hash())
    assert verdict["complete"] == wanted.canonical()
    assert sqlite_store.list(limit=1) == []


def test_a_draft_may_be_yaml_and_comes_back_as_a_value_even_with_faults(client):
    verdict = judge(client, text="rounds: 0\nmethod: {kind: herom}")
    assert verdict["draft"] == {"rounds": 0, "method": {"kind": "herom"}}
    found = {issue["path"]: issue["suggestion"] for issue in verdict["issues"]}
    assert found["method.kind"] == "heron"
    assert {"rounds", "data", "clients"} <= set(found)


def test_what_the_policy_of_the_service_forbids_is_a_fault_of_the_field(client):
    verdict = judge(client, spec={**example_spec(), "rounds": 2_000_000})
    assert [issue["path"] for issue in verdict["issues"]] == ["rounds"]
    assert verdict["draft"]["rounds"] == 2_000_000


@pytest.mark.parametrize(
    "text",
    ["a: 2020-01-01", "a: .nan", '"\\ud800": 1', "[1]", ": : :", "", "&a [*a]", "1: 2", "? [1]\n: 2", "x: !!set {a}", "{"],
)
def test_what_is_no_spec_at_all_is_said_to_be_none(client, text):
    verdict = judge(client, text=text)
    assert not verdict["valid"]
    assert verdict["issues"][0]["path"] == ""


def test_a_body_that_is_no_draft_is_refused(client):
    for draft in ({"yaml": ""}, {"text": "a" * 100_001}, {"text": 1}):
        assert client.post("/v1/specs/validate", json=draft).status_code == 422
