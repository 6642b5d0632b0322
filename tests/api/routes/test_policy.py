import httpx
import pytest

from api.domain.policy import Policy
from api.routes.examples import example_spec, example_submission
from api.settings import Settings
from tests.api.routes.test_problems import changed, problem

POLICY = Policy(max_rounds=20, max_clients=10, max_trials=4, devices=("cpu",))


@pytest.fixture
def api(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store, Settings(policy=POLICY)), trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "value", "limit"), [("rounds", 21, "20"), ("clients.count", 11, "10"), ("compute", {"device": "cuda"}, "cpu")]
)
def test_an_experiment_over_a_limit_is_refused_by_its_field(api, sqlite_store, path, value, limit):
    document = problem(api.post("/v1/experiments", json={"spec": changed(path, value)}), 403, "refused_by_policy")
    (issue,) = document["issues"]
    assert issue["path"].startswith(path)
    assert limit in issue["message"]
    assert sqlite_store.list(limit=1) == []


def test_an_experiment_at_the_limits_is_taken(api):
    assert api.post("/v1/experiments", json=example_submission()).status_code == 201


def sweep(**fields):
    return {"spec": example_spec(), "space": "mu", "samples": 4, **fields}


def test_a_sweep_of_too_many_trials_is_refused(api, sqlite_store):
    document = problem(api.post("/v1/sweeps", json=sweep(samples=5)), 403, "refused_by_policy")
    assert document["issues"][0]["path"] == "samples"
    assert sqlite_store.sweeps.list(limit=1) == []
    assert api.post("/v1/sweeps", json=sweep()).status_code == 201


@pytest.mark.parametrize(
    ("axis", "path"),
    [
        ({"rounds": {"kind": "integer", "low": 5, "high": 21}}, "rounds"),
        ({"clients.count": {"kind": "choice", "values": [2, 99, 3]}}, "clients.count"),
        (
            {"compute.device": {"kind": "grid", "values": ["cpu", "cuda"]}, "rounds": {"kind": "choice", "values": [1]}},
            "compute.device",
        ),
    ],
)
def test_a_sweep_of_which_some_trial_would_be_too_large_is_refused(api, axis, path):
    document = problem(api.post("/v1/sweeps", json=sweep(space=axis)), 403, "refused_by_policy")
    assert [issue["path"] for issue in document["issues"]] == [path]


def test_a_fork_that_is_too_large_is_refused_and_not_queued(api, sqlite_store, leave_artifacts, tmp_path):
    id = leave_artifacts(sqlite_store, tmp_path)
    document = problem(api.post(f"/v1/experiments/{id}/fork", json={"overrides": {"rounds": 21}}), 403, "refused_by_policy")
    assert [issue["path"] for issue in document["issues"]] == ["rounds"]
    assert [found.id for found in sqlite_store.list(limit=9)] == [id]


def test_an_experiment_from_before_the_policy_is_not_repeated(api, sqlite_store, make_spec):
    id = sqlite_store.submit(make_spec(rounds=500)).id
    sqlite_store.request_cancel(id)
    problem(api.post(f"/v1/experiments/{id}/retry"), 403, "refused_by_policy")
