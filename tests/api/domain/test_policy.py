import json

import pytest

from api.domain.policy import Policy
from heron_ray.errors import PolicyError, ServiceError

SYNTHETIC = {"kind": "synthetic", "samples": 5000}
IMAGES = {"kind": "mnist", "path": "mnist"}


@pytest.mark.parametrize(
    ("policy", "fields", "path", "told"),
    [
        ({"max_rounds": 19}, {}, "rounds", ["20", "19"]),
        ({"max_clients": 9}, {}, "clients.count", ["10", "9"]),
        ({"max_samples": 4999}, {"data": SYNTHETIC}, "data.samples", ["5000", "4999"]),
        ({"max_samples": 99}, {"data": {**IMAGES, "train_samples": 100}}, "data.train_samples", ["100", "99"]),
        ({"max_samples": 99}, {"data": IMAGES}, "data.train_samples", ["null", "99"]),
        ({"max_actors": 1}, {}, "compute.actors", ["2", "1"]),
        ({"max_threads": 1}, {"compute": {"threads": 2}}, "compute.threads", ["2", "1"]),
        ({"executors": ["ray", "auto"]}, {"compute": {"executor": "local"}}, "compute.executor", ["'local'", "ray, auto"]),
        ({"devices": ["cpu"]}, {"compute": {"device": "cuda"}}, "compute.device", ["'cuda'", "cpu"]),
    ],
)
def test_a_field_over_its_limit_is_named_with_its_value_and_the_limit(make_spec, policy, fields, path, told):
    with pytest.raises(PolicyError) as refused:
        Policy.model_validate_json(json.dumps(policy)).require(make_spec(**fields))
    (issue,) = refused.value.issues
    assert issue.path == path
    assert all(word in issue.message for word in told)


def test_what_is_at_its_limits_passes(make_spec):
    policy = Policy(max_rounds=20, max_clients=10, max_samples=1, max_actors=2, max_threads=1, devices=("cpu",))
    policy.require(make_spec())
    policy.require_trials(10_000)


def test_every_field_over_its_limit_is_named_at_once(make_spec):
    with pytest.raises(PolicyError) as refused:
        Policy(max_rounds=1, max_clients=1).require(make_spec())
    assert [issue.path for issue in refused.value.issues] == ["rounds", "clients.count"]


def test_a_policy_is_read_from_yaml(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("max_rounds: 500\nexecutors: [auto, ray]\n", encoding="utf-8")
    assert Policy.read(file) == Policy(max_rounds=500, executors=("auto", "ray"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_roundz: 5", "max_roundz"),
        ("max_rounds: 0", "max_rounds"),
        ("max_rounds: many", "max_rounds"),
        ("devices: [tpu]", "devices.0"),
        ("[1]", "must be a mapping"),
        ("{", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_policy_says_why(tmp_path, text, told):
    file = tmp_path / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ServiceError, match=told):
        Policy.read(file)


def test_a_policy_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ServiceError, match=r"absent\.yaml"):
        Policy.read(tmp_path / "absent.yaml")
