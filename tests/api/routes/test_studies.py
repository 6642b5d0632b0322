"""Studies over REST: one request queues every experiment or none; cells say what theirs came to."""

from __future__ import annotations

import copy

import httpx
import pytest

from api.domain.states import State
from api.routes.examples import example_spec
from api.routes.studies import EXAMPLE
from heron_ray.studies import expand, parse_study

RESULT = {
    "rounds": 20,
    "test_accuracy": 0.8,
    "validation_accuracy": 0.7,
    "auxiliary_accuracy": 0.6,
    "auxiliary_validation_accuracy": 0.5,
    "trajectory_digest": "d" * 64,
    "costs": {"client_macs_per_step": 1, "client_peak_bytes": 2, "bytes_up": 3, "bytes_down": 4},
}


@pytest.fixture
def client(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False, timeout=60) as opened:
        yield opened


def body(**fields):
    submission = copy.deepcopy(EXAMPLE)
    submission["study"].update(fields)
    return submission


def ended(store, id, *, state, result=None, reason=None, message=None):
    """Bring one queued experiment to an end."""
    _, attempt = store.claim(owner="test", lease_s=60, id=id)
    store.running(attempt.id, attempt.token, driver_pid=1, node="n")
    store.finish(attempt.id, attempt.token, state=State(state), reason=reason, message=message, result=result)


def test_a_study_queues_every_experiment_in_the_order_of_its_cells(client, sqlite_store):
    answer = client.post("/v1/studies", json={**body(), "tags": ["night"]})
    assert answer.status_code == 201
    summary = answer.json()
    assert (summary["cells"], summary["experiments"], summary["states"]) == (16, 16, {"QUEUED": 16})
    page = client.get(answer.headers["Location"]).json()
    assert page["states"] == {"QUEUED": 16}
    cells = expand(parse_study(EXAMPLE["study"]))
    assert [cell["labels"] for cell in page["results"]] == [dict(cell.labels) for cell in cells]
    experiments = [sqlite_store.get(cell["experiment_id"]) for cell in page["results"]]
    assert [experiment.spec for experiment in experiments] == [cell.spec.canonical() for cell in cells]
    assert {experiment.tags for experiment in experiments} == {("night",)}
    assert sqlite_store.queued(limit=1)[0].id == experiments[0].id


def test_cells_that_are_one_experiment_share_it_and_impossible_ones_say_why(client):
    axes = {
        "rule": {"kind": "path", "path": "aggregation.kind", "values": ["mean", "krum"]},
        "f": {"kind": "path", "path": "aggregation.f?", "values": [1, 9]},
    }
    figures = [{"kind": "bands", "x": "f", "lines": "rule"}]
    page = client.post("/v1/studies", json=body(axes=axes, figures=figures, impossible="skip", seeds=[0]))
    assert (page.json()["cells"], page.json()["experiments"]) == (4, 2)
    cells = client.get(page.headers["Location"]).json()["results"]
    assert cells[0]["experiment_id"] == cells[1]["experiment_id"] != cells[2]["experiment_id"]
    assert (cells[3]["experiment_id"], cells[3]["state"]) == (None, "IMPOSSIBLE")
    assert "f" in cells[3]["reason"]
    assert page.json()["states"] == {"QUEUED": 3, "IMPOSSIBLE": 1}


def test_cells_and_figures_tell_what_ended(client, sqlite_store):
    location = client.post("/v1/studies", json=body(seeds=[0])).headers["Location"]
    ids = [cell["experiment_id"] for cell in client.get(location).json()["results"]]
    ended(sqlite_store, ids[0], state="SUCCEEDED", result=RESULT)
    ended(sqlite_store, ids[1], state="FAILED", reason="diverged", message="the loss is not finite")
    sqlite_store.request_cancel(ids[2])
    sqlite_store.delete(ids[2])
    page = client.get(location).json()
    assert page["states"] == {"SUCCEEDED": 1, "DIVERGED": 1, "DELETED": 1, "QUEUED": 5}
    client.post("/v1/studies", json=body(seeds=[1]))
    assert [study["states"] for study in client.get("/v1/studies").json()["studies"]] == [{"QUEUED": 8}, page["states"]]
    first, second, third = page["results"][:3]
    assert (first["test_accuracy"], first["auxiliary_test_accuracy"], first["bytes_up"]) == (0.8, 0.6, 3)
    assert (second["test_accuracy"], second["reason"]) == (0.1, "the loss is not finite")
    assert (third["experiment_id"], third["state"]) == (None, "DELETED")
    figures = client.get(f"{location}/figures").json()["figures"]
    assert list(figures) == ["1: worst_case"]
    values = [value for trace in figures["1: worst_case"]["data"] for row in trace["z"] for value in row if value is not None]
    assert sorted(values) == pytest.approx([0.1, 0.1, 0.6, 0.8])


def test_a_figure_of_curves_has_the_points_that_are_there_while_an_experiment_runs(client, sqlite_store):
    figures = [{"kind": "curves", "lines": "rule"}]
    location = client.post("/v1/studies", json=body(seeds=[0], figures=figures)).headers["Location"]
    first = client.get(location).json()["results"][0]
    _, attempt = sqlite_store.claim(owner="test", lease_s=60, id=first["experiment_id"])
    sqlite_store.running(attempt.id, attempt.token, driver_pid=1, node="n")
    metrics = {"test_accuracy": 0.4, "auxiliary_test_accuracy": 0.3, "bytes_up": 8.0}
    event = {"kind": "round_finished", "key": "round_finished:5", "round": 5, "rounds": 20, "metrics": metrics}
    sqlite_store.record(attempt.id, attempt.token, events=[event])
    drawn = client.get(f"{location}/figures").json()["figures"]["1: curves"]["data"]
    lines = [(trace["name"], trace["x"], trace["y"]) for trace in drawn if "name" in trace]
    assert lines == [(first["labels"]["rule"], [5], [0.4]), (first["labels"]["rule"], [5], [0.3])]


def test_cancelling_ends_what_has_not_ended(client, sqlite_store):
    location = client.post("/v1/studies", json=body(seeds=[0])).headers["Location"]
    done = client.get(location).json()["results"][0]["experiment_id"]
    ended(sqlite_store, done, state="SUCCEEDED", result=RESULT)
    assert client.post(f"{location}/cancel").json()["states"] == {"SUCCEEDED": 1, "CANCELLED": 7}
    assert client.post(f"{location}/cancel").status_code == 200


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"axes": {**EXAMPLE["study"]["axes"], "x": {"kind": "path", "path": "method.probez", "values": [1]}}}, "probez"),
        ({"base": {**example_spec(), "rounds": 0}}, "rounds"),
        ({"figures": [{"kind": "bands", "x": "rule", "lines": "nothing"}]}, "figures.0"),
        ({"seeds": list(range(200))}, "axes"),
        ({"base": "experiments/digits-heron.yaml"}, "base"),
        ({"base": []}, "base"),
    ],
)
def test_a_study_with_a_fault_queues_nothing(client, sqlite_store, fields, path):
    answer = client.post("/v1/studies", json=body(**fields))
    assert answer.status_code == 422, answer.text
    assert path in answer.text
    assert client.get("/v1/studies").json() == {"studies": [], "next": None}
    assert sqlite_store.list(limit=1) == []


def test_the_same_key_finds_the_same_study_and_refuses_another(client, sqlite_store):
    answers = [client.post("/v1/studies", json=body(), headers={"Idempotency-Key": "night"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert len(sqlite_store.list(limit=100)) == 16
    assert client.post("/v1/studies", json=body(seeds=[5]), headers={"Idempotency-Key": "night"}).status_code == 409


def test_studies_are_listed_newest_first_page_by_page(client):
    ids = [client.post("/v1/studies", json=body(name=f"s{number}", seeds=[0])).json()["id"] for number in range(3)]
    first = client.get("/v1/studies", params={"limit": 2}).json()
    assert [study["id"] for study in first["studies"]] == [ids[2], ids[1]]
    last = client.get("/v1/studies", params={"limit": 2, "before": first["next"]}).json()
    assert ([study["id"] for study in last["studies"]], last["next"]) == ([ids[0]], None)
    for path in ("none", "none/figures"):
        assert client.get(f"/v1/studies/{path}").status_code == 404
    assert client.post("/v1/studies/none/cancel").status_code == 404
