"""The figure of a comparison, and figures on other axes than rounds."""

from __future__ import annotations

import httpx
import pytest

from api.domain.states import State


@pytest.fixture
def client(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False, timeout=60) as opened:
        yield opened


@pytest.fixture
def run(sqlite_store, make_spec):
    """An experiment that ended after these accuracies."""

    def made(*accuracies, metrics=None, partition=None, events=(), **fields):
        id = sqlite_store.submit(make_spec(**fields)).id
        attempt = sqlite_store.claim(owner="dispatcher-1", lease_s=60)[1]
        sqlite_store.running(attempt.id, attempt.token, driver_pid=1, node="a")
        started = {"kind": "started", "key": "started:0", "rounds": 9, "after_round": 0, "partition": partition or {}}
        finished = [
            {
                "kind": "round_finished",
                "key": f"round_finished:{number}",
                "round": number,
                "rounds": 9,
                "metrics": {"test_accuracy": value, "bytes_up": 100.0, "bytes_down": 50.0, **(metrics or {})},
            }
            for number, value in enumerate(accuracies, start=1)
        ]
        sqlite_store.record(attempt.id, attempt.token, events=[started, *finished, *events])
        sqlite_store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result={"rounds": 9})
        return id

    return made


def draw(client, *ids, **choices):
    answer = client.get("/v1/experiments/compare/figure", params={"id": ids, **choices})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_experiments_that_differ_in_seed_and_name_alone_are_one_group(client, run):
    first, second, other = run(0.2, seed=0), run(0.4, seed=1, name="again"), run(0.9, rounds=30)
    drawn = draw(client, first, second, other)
    assert drawn["groups"] == {"rounds 20": [first, second], "rounds 30": [other]}
    assert [trace["y"][0] for trace in drawn["figure"]["data"]] == pytest.approx([0.2, 0.4, 0.3, 0.9])
    assert len(draw(client, first, second, other, grouped=False)["figure"]["data"]) == 3


@pytest.mark.parametrize(("x", "places"), [("round", [1, 2]), ("bytes", [150, 300]), ("simulated_time", [7, 7])])
def test_the_axis_across_is_rounds_bytes_or_simulated_time(client, run, x, places):
    id = run(0.2, 0.4, metrics={"simulated_time_s": 7.0})
    assert draw(client, id, x=x)["figure"]["data"][0]["x"] == places
    assert client.get(f"/v1/experiments/{id}/figures", params={"x": x}).json()["figures"]["accuracy"]["data"][0]["x"] == places


def test_wall_time_grows_from_the_start_of_the_first_attempt(client, run):
    id = run(*(0.1,) * 50)
    seconds = draw(client, id, x="wall_time")["figure"]["data"][0]["x"]
    assert len(seconds) == 50
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] < 600


def test_of_many_rounds_some_tell_the_wall_time_of_all(sqlite_store, run):
    id = run(*(0.1,) * 200)
    times = sqlite_store.curves.wall_times(id, points=20)
    assert len(times.rounds) < 60
    assert (times.rounds[0], times.rounds[-1]) == (1, 200)
    assert list(times.rounds) == sorted(set(times.rounds))


def test_without_simulated_devices_there_is_nothing_on_that_axis(client, run):
    assert draw(client, run(0.2), x="simulated_time")["figure"]["data"][0]["x"] == []


def test_the_name_of_a_series_is_no_pattern(client, run):
    assert draw(client, run(0.2), series="test_*")["figure"]["data"] == []


def test_the_partition_is_drawn_once_the_data_are_loaded(client, run):
    report = {"clients": 2, "per_client": [[3, 0], [1, 2]], "mean_total_variation": 0.4, "note": None}
    figures = client.get(f"/v1/experiments/{run(0.1, partition=report)}/figures").json()["figures"]
    assert figures["partition"]["data"][0]["z"] == [[3, 0], [1, 2]]
    assert "partition" not in client.get(f"/v1/experiments/{run(0.1)}/figures").json()["figures"]


def looks(*rounds):
    return [
        {"kind": "spectrum", "key": f"spectrum:{round}", "round": round, "nodes": [-1.0, 4.0], "weights": [0.5, 0.5]}
        for round in rounds
    ]


@pytest.mark.parametrize(
    ("told", "drawn"), [([7], [7]), ([2, 4, 6], [2, 4, 6]), ([*range(10, 90, 10)], [10, 20, 40, 60, 80]), ([], None)]
)
def test_looks_at_the_hessian_are_drawn_where_the_spec_asks_for_them(client, run, told, drawn):
    id = run(0.1, events=looks(*told), evaluation={"every": 1, "spectrum": {"every": 1}})
    figure = client.get(f"/v1/experiments/{id}/figures").json()["figures"].get("spectrum")
    assert (figure and [trace["name"] for trace in figure["data"]]) == (drawn and [f"round {round}" for round in drawn])
    unasked = run(0.1, events=looks(*told), name="another")
    assert "spectrum" not in client.get(f"/v1/experiments/{unasked}/figures").json()["figures"]


def test_what_cannot_be_drawn_is_refused(client, run):
    id = run(0.1)
    for params in ({"id": []}, {"id": [id] * 51}, {"id": id, "x": "days"}, {"id": id, "smoothing": 1}):
        assert client.get("/v1/experiments/compare/figure", params=params).status_code == 422
    assert client.get("/v1/experiments/compare/figure", params={"id": "nonesuch"}).status_code == 404
