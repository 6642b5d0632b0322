from __future__ import annotations

import csv
import io

import httpx
import pyarrow.parquet as pq
import pytest

from tests.api.store.test_curves import rounds_finished

VALUES = [0.1 + 0.2, -1e-300, float("nan"), 1 / 3, 2.0**60]


@pytest.fixture
def make_experiment(sqlite_store, start_run):
    """An experiment with the given series; its id."""

    def make(**series):
        experiment, attempt = start_run(sqlite_store)
        for name, values in series.items():
            sqlite_store.record(attempt.id, attempt.token, events=rounds_finished(values, name))
        return experiment.id

    return make


@pytest.fixture
def client(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False) as opened:
        yield opened


def read_csv(response):
    return list(csv.reader(io.StringIO(response.text)))


def test_curves_of_several_experiments_come_in_the_order_asked_for(client, make_experiment):
    first, second = make_experiment(loss=[0.0] * 40, bytes_up=[1.0] * 3), make_experiment(loss=[1.0, 2.0])
    query = {"experiment": [second, first], "series": "lo*", "points": 12}
    answer = client.get("/v1/series:query", params=query).json()["experiments"]
    assert [found["id"] for found in answer] == [second, first]
    whole, thinned = (found["series"]["loss"] for found in answer)
    assert whole == {"rounds": [1, 2], "values": [1.0, 2.0], "total": 2, "not_finite": 0, "thinned": False}
    assert (thinned["total"], thinned["thinned"]) == (40, True)
    assert len(thinned["rounds"]) <= 12


def test_rounds_are_bounded_on_request(client, make_experiment):
    id = make_experiment(loss=[float(round) for round in range(1, 21)])
    answer = client.get("/v1/series:query", params={"experiment": id, "from": 5, "to": 7}).json()
    assert answer["experiments"][0]["series"]["loss"]["values"] == [5.0, 6.0, 7.0]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"experiment": ["a"] * 51},
        {"experiment": "a", "points": 9},
        {"experiment": "a", "points": 5001},
        {"experiment": "\0"},
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(client, query):
    answer = client.get("/v1/series:query", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_an_unknown_experiment_is_named(client):
    for path in ("/v1/series:query?experiment=nobody", "/v1/experiments/nobody/export", "/v1/series:export?experiment=nobody"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "'nobody'" in answer.json()["detail"]


def test_the_series_of_an_experiment_come_whole_or_thinned(client, make_experiment):
    id = make_experiment(loss=[float(round) for round in range(40)], accuracy=[0.5, float("inf")])
    whole = client.get(f"/v1/experiments/{id}/series").json()["series"]
    assert list(whole) == ["accuracy", "loss"]
    assert whole["accuracy"] == {"rounds": [1, 2], "values": [0.5, None]}
    assert whole["loss"] == {"rounds": list(range(1, 41)), "values": [float(round) for round in range(40)]}
    thinned = client.get(f"/v1/experiments/{id}/series", params={"points": 10}).json()["series"]
    assert thinned["accuracy"] == whole["accuracy"]
    assert len(thinned["loss"]["rounds"]) <= 10


def test_series_of_an_experiment_without_points_are_an_empty_object(client, make_experiment):
    assert client.get(f"/v1/experiments/{make_experiment()}/series").json() == {"series": {}}


def test_an_answer_that_would_be_too_large_names_the_ways_out(client, make_experiment, monkeypatch):
    monkeypatch.setattr("api.routes.series.MOST_POINTS_WHOLE", 4)
    answer = client.get(f"/v1/experiments/{make_experiment(loss=VALUES)}/series")
    assert (answer.status_code, answer.json()["code"]) == (422, "answer_too_large")
    assert "series:query" in answer.json()["hint"]
    assert "export" in answer.json()["hint"]


def test_figures_add_up_bytes_over_every_round_and_are_no_longer_than_a_screen(client, make_experiment):
    id = make_experiment(bytes_up=[1.0] * 4100, test_loss=[0.0] * 4100)
    figures = client.get(f"/v1/experiments/{id}/figures").json()["figures"]
    (sums,), (losses,) = figures["bytes"]["data"], figures["losses"]["data"]
    assert sums["y"] == [float(round) for round in sums["x"]]
    assert (sums["x"][-1], losses["x"][-1]) == (4100, 4100)
    assert max(len(sums["x"]), len(losses["x"])) <= 2000


def test_a_csv_export_reads_back_bit_for_bit(client, make_experiment):
    id = make_experiment(loss=VALUES)
    answer = client.get(f"/v1/experiments/{id}/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="heron-{id}.csv"'
    head, *rows = read_csv(answer)
    assert head == ["experiment", "series", "round", "value"]
    assert [row[:3] for row in rows] == [[id, "loss", str(round)] for round in range(1, 6)]
    assert [float(row[3]) if row[3] else None for row in rows] == [0.1 + 0.2, -1e-300, None, 1 / 3, 2.0**60]


@pytest.mark.parametrize("start", "=+-@\t\r")
def test_text_that_a_spreadsheet_would_run_is_defused_and_numbers_are_left_alone(client, make_experiment, start):
    id = make_experiment(**{f"{start}1+1": [-1.5]})
    assert read_csv(client.get(f"/v1/experiments/{id}/export"))[1] == [id, f"'{start}1+1", "1", "-1.5"]


def test_a_parquet_export_of_several_experiments_holds_every_point(client, make_experiment, monkeypatch):
    monkeypatch.setattr("api.routes.exports.ROW_GROUP", 3)
    monkeypatch.setattr("api.store.curves.PAGE", 2)
    ids = [make_experiment(loss=VALUES), make_experiment(accuracy=[0.5])]
    answer = client.get("/v1/series:export", params={"experiment": [*ids, ids[0]], "format": "parquet"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == 'attachment; filename="heron-series.parquet"'
    file = pq.ParquetFile(io.BytesIO(answer.content))
    assert file.num_row_groups == 3
    rows = file.read().to_pylist()
    assert [row["experiment"] for row in rows] == [ids[0]] * 5 + [ids[1]]
    assert [row["value"] for row in rows] == [0.1 + 0.2, -1e-300, None, 1 / 3, 2.0**60, 0.5]


def test_a_format_that_does_not_exist_is_refused(client, make_experiment):
    assert client.get(f"/v1/experiments/{make_experiment()}/export", params={"format": "xlsx"}).status_code == 422
