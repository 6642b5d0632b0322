from __future__ import annotations

import httpx
import pytest

from api.domain.states import State
from api.routes.examples import example_spec

PROPOSALS = [{"method.zeroth_order.mu": 1e-3}, {"method.zeroth_order.mu": 1e-4}]


@pytest.fixture
def client(serve, sqlite_store):
    # Who asks for importance first waits for imports.
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False, timeout=60) as opened:
        yield opened


def body(**fields):
    return {"spec": example_spec(), "space": "mu", "samples": 8, "search": "random", "scheduler": "none", **fields}


def submit(client, **fields):
    answer = client.post("/v1/sweeps", json=body(**fields))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_a_submitted_sweep_is_created_and_can_be_followed(client):
    answer = client.post("/v1/sweeps", json=body())
    assert (answer.status_code, answer.json()["state"]) == (201, "QUEUED")
    page = client.get(answer.headers["location"]).json()
    assert page["id"] == answer.json()["id"]
    assert (page["name"], page["space"], page["samples"], page["trials"], page["best"]) == (
        "digits-heron-example",
        "mu",
        8,
        [],
        None,
    )
    assert page["axes"]["method.zeroth_order.mu"]["kind"] == "loguniform"


def test_search_and_scheduler_may_be_left_out(client):
    answer = client.post("/v1/sweeps", json={"spec": example_spec(), "space": "mu", "samples": 2})
    page = client.get(answer.headers["location"]).json()
    assert (page["search"], page["scheduler"], page["seed"]) == ("random", "none", 0)


def test_a_space_may_be_spelled_out(client):
    axis = {"kind": "choice", "values": [1, 2]}
    page = client.get(f"/v1/sweeps/{submit(client, space={'seed': axis})}").json()
    assert page["space"] == "inline"
    assert page["axes"]["seed"]["values"] == [1, 2]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"space": "muu"}, "space"),
        ({"space": {"method.zeroth_order.muu": {"kind": "uniform", "low": 1, "high": 2}}}, "space.method.zeroth_order.muu"),
        ({"space": {"rounds": {"kind": "integer", "low": 2, "high": 1}}}, "space.rounds"),
        ({"space": {"rounds": {"kind": "integer", "low": 0, "high": 1}}}, "rounds"),
        ({"space": 7}, "space"),
        ({"spec": {**example_spec(), "rouds": 3}}, "rouds"),
        ({"spec": "digits"}, "spec"),
        ({"samples": 0}, "samples"),
        ({"space": "joint", "search": "grid"}, "samples"),
        ({"search": "bayes"}, "search"),
        ({"scheduler": "hyperband"}, "scheduler"),
        ({"objectives": [{"series": "test_accuracy"}]}, "objectives.0"),
        ({"budget": {"rounds": 0}}, "budget.rounds"),
        ({"seeds": 0}, "seeds"),
        ({"trials": 3}, "trials"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_path_and_not_kept(client, fields, path):
    answer = client.post("/v1/sweeps", json=body(**fields))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert path in [issue["path"] for issue in answer.json()["issues"]]
    assert client.get("/v1/sweeps").json()["sweeps"] == []


def test_sweeps_are_listed_newest_first_page_by_page(client):
    ids = [submit(client) for _ in range(3)]
    first = client.get("/v1/sweeps", params={"limit": 2}).json()
    assert [sweep["id"] for sweep in first["sweeps"]] == [ids[2], ids[1]]
    last = client.get("/v1/sweeps", params={"limit": 2, "before": first["next"]}).json()
    assert ([sweep["id"] for sweep in last["sweeps"]], last["next"]) == ([ids[0]], None)


def test_a_sweep_shows_its_trials_and_the_best_of_them(client, sqlite_store, make_spec):
    id = submit(client, samples=2)
    sweeps = sqlite_store.sweeps
    sweep = sweeps.claim(owner="test", lease_s=60)
    sweeps.running(id, sweep.token, owner_pid=4711, proposals=PROPOSALS)
    experiment = sweeps.submit_trial(id, sweep.token, 2, make_spec())
    _, attempt = sqlite_store.claim(owner="test", lease_s=60)
    result = {"validation_accuracy": 0.9, "test_accuracy": 0.8}
    sqlite_store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result=result)
    page = client.get(f"/v1/sweeps/{id}").json()
    assert [(trial["number"], trial["state"]) for trial in page["trials"]] == [(1, "QUEUED"), (2, "SUCCEEDED")]
    assert [trial["overrides"] for trial in page["trials"]] == PROPOSALS
    assert page["best"] == page["trials"][1]
    assert (page["best"]["experiment_id"], page["best"]["test_accuracy"]) == (experiment, 0.8)
    assert (page["state"], page["owner_pid"]) == ("RUNNING", 4711)


def test_a_queued_sweep_can_be_cancelled_once(client):
    id = submit(client)
    assert client.post(f"/v1/sweeps/{id}/cancel").json()["state"] == "CANCELLED"
    assert client.post(f"/v1/sweeps/{id}/cancel").status_code == 409


def test_an_unknown_sweep_is_a_problem(client):
    for answer in (client.get("/v1/sweeps/none"), client.post("/v1/sweeps/none/cancel")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_sweep_shows_how_it_is_searched(client):
    objectives = [{"series": "validation_accuracy"}, {"series": "costs.client_peak_bytes", "direction": "min"}]
    id = submit(client, search="optuna", seeds=2, objectives=objectives, budget={"rounds": 1000})
    page = client.get(f"/v1/sweeps/{id}").json()
    assert (page["search"], page["seeds"], page["budget"]["rounds"], page["paused"]) == ("optuna", 2, 1000, False)
    assert [objective["direction"] for objective in page["objectives"]] == ["max", "min"]


def test_the_same_submission_under_a_key_is_one_sweep(client):
    answers = [client.post("/v1/sweeps", json=body(), headers={"Idempotency-Key": "night"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    for other in ({"seed": 3}, {"samples": 3}):
        assert client.post("/v1/sweeps", json=body(**other), headers={"Idempotency-Key": "night"}).status_code == 409


def test_a_queued_sweep_is_paused_resumed_and_extended(client):
    id = submit(client)
    assert client.post(f"/v1/sweeps/{id}/pause").json()["paused"] is True
    assert client.post(f"/v1/sweeps/{id}/resume").json()["paused"] is False
    assert client.post(f"/v1/sweeps/{id}/extend", json={"samples": 4}).json()["samples"] == 12
    assert client.post(f"/v1/sweeps/{id}/extend", json={"samples": 0}).status_code == 422
    assert client.post(f"/v1/sweeps/{id}/retry").status_code == 409
    client.post(f"/v1/sweeps/{id}/cancel")
    assert client.post(f"/v1/sweeps/{id}/pause").status_code == 409


def test_a_sweep_that_may_still_change_teaches_nothing(client):
    earlier = submit(client)
    answer = client.post("/v1/sweeps", json=body(search="optuna", warm_start=[earlier]))
    assert (answer.status_code, answer.json()["issues"][0]["path"]) == (422, "warm_start")
    assert client.post("/v1/sweeps", json=body(search="optuna", warm_start=["none"])).status_code == 404
    client.post(f"/v1/sweeps/{earlier}/cancel")
    assert client.post("/v1/sweeps", json=body(search="optuna", warm_start=[earlier])).status_code == 201


def test_points_means_and_importance_of_a_sweep_with_seeds(client, sqlite_store, make_spec):
    mus = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    id = submit(client, samples=5, seeds=2)
    sweeps = sqlite_store.sweeps
    sweep = sweeps.claim(owner="test", lease_s=60)
    proposals = [{"method.zeroth_order.mu": mu, "seed": seed} for mu in mus for seed in (0, 1)]
    sweeps.running(id, sweep.token, owner_pid=4711, proposals=proposals)
    for number in range(1, 11):
        sweeps.submit_trial(id, sweep.token, number, make_spec(seed=number))
        _, attempt = sqlite_store.claim(owner="test", lease_s=60)
        result = {"validation_accuracy": number / 20, "test_accuracy": 0.8}
        sqlite_store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result=result)
    page = client.get(f"/v1/sweeps/{id}").json()
    assert [point["trials"] for point in page["points"]] == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert [point["means"][0] for point in page["points"]] == pytest.approx([0.075, 0.175, 0.275, 0.375, 0.475])
    assert [point["optimal"] for point in page["points"]] == [False] * 4 + [True]
    assert page["best"]["number"] == 9
    weighed = client.get(f"/v1/sweeps/{id}/importance").json()
    assert weighed["points"] == 5
    (objective,) = weighed["objectives"]
    assert objective["objective"] == "max validation_accuracy"
    assert objective["importances"] == {"method.zeroth_order.mu": pytest.approx(1.0)}
    assert objective["figure"]["data"][0]["y"] == ["method.zeroth_order.mu"]
    drawn = client.get(f"/v1/sweeps/{id}/figures").json()["figures"]
    assert set(drawn) == {
        "parallel_coordinates",
        "history: max validation_accuracy",
        "slice: method.zeroth_order.mu: max validation_accuracy",
    }


def test_of_a_sweep_without_ended_points_nothing_is_known_of_importance(client):
    weighed = client.get(f"/v1/sweeps/{submit(client)}/importance").json()
    assert (weighed["points"], weighed["objectives"][0]["importances"]) == (0, {})
