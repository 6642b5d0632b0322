"""Listing, comparing and editing experiments over HTTP, and waiting for their events."""

from __future__ import annotations

import re
import threading

import httpx
import pytest

from api.domain.states import State
from api.routes.examples import example_spec
from api.settings import Settings

OPERATIONS = {
    "act_on_experiments",
    "cancel_experiment",
    "cancel_sweep",
    "extend_sweep",
    "cancel_study",
    "pause_sweep",
    "resume_sweep",
    "retry_sweep",
    "check_health",
    "compare_experiments",
    "delete_experiment",
    "draw_comparison",
    "draw_experiment",
    "draw_study",
    "draw_sweep",
    "edit_experiment",
    "explain_standing",
    "kill_experiment",
    "download_artifact",
    "fork_experiment",
    "list_artifacts",
    "list_events",
    "list_experiments",
    "list_ready_specs",
    "list_studies",
    "list_sweeps",
    "read_log",
    "read_metrics",
    "retry_experiment",
    "show_catalogue",
    "show_cluster",
    "sign_in",
    "sign_out",
    "show_experiment",
    "show_schema",
    "export_experiment",
    "export_series",
    "list_series",
    "query_series",
    "show_study",
    "show_sweep",
    "weigh_sweep",
    "submit_experiment",
    "submit_study",
    "submit_sweep",
    "validate_spec",
}


@pytest.fixture
def api(serve, sqlite_store):
    """A client of an API over `sqlite_store`."""
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False, timeout=60) as client:
        yield client


def submit(api, *, tags=(), **fields):
    return api.post("/v1/experiments", json={"spec": {**example_spec(), **fields}, "tags": list(tags)}).json()["id"]


def ended(api, **fields):
    id = submit(api, **fields)
    assert api.post(f"/v1/experiments/{id}/cancel").status_code == 200
    return id


def listed(api, **params):
    answer = api.get("/v1/experiments", params=params)
    assert answer.status_code == 200, answer.text
    return [found["id"] for found in answer.json()["experiments"]]


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()


class TestListing:
    def test_every_filter_narrows_the_list(self, api):
        first, second = ended(api, name="digits-1", seed=1, tags=["a", "b"]), submit(api, name="digits-2", seed=2, tags=["a"])
        assert listed(api, tag=["a", "b"]) == [first]
        assert listed(api, name="-2") == [second]
        assert listed(api, where=["seed>=1", "seed<2"]) == [first]
        assert listed(api, created_after="2020-01-01T00:00:00Z") == [second, first]
        assert listed(api, created_before="2020-01-01T00:00:00Z") == []
        assert listed(api, sort="name") == [first, second]
        assert api.patch(f"/v1/experiments/{first}", json={"archived": True}, headers={"If-Match": "*"}).status_code == 200
        assert (listed(api), listed(api, archived="true"), listed(api, archived="any")) == ([second], [first], [second, first])

    def test_pages_go_on_by_their_cursor(self, api):
        ids = [submit(api, name=f"n-{number}") for number in (3, 1, 2)]
        first = api.get("/v1/experiments", params={"sort": "name", "limit": 2}).json()
        rest = api.get("/v1/experiments", params={"sort": "name", "limit": 2, "before": first["next"]}).json()
        assert [found["id"] for found in first["experiments"] + rest["experiments"]] == [ids[1], ids[2], ids[0]]
        assert rest["next"] is None

    def test_a_cursor_of_another_order_is_refused_and_both_are_named(self, api):
        for _ in range(2):
            submit(api)
        cursor = api.get("/v1/experiments", params={"limit": 1}).json()["next"]
        problem = refused(api.get("/v1/experiments", params={"sort": "name", "before": cursor}), 422, "invalid_request")
        assert [issue["path"] for issue in problem["issues"]] == ["before"]
        assert "-created" in problem["detail"]
        assert "name" in problem["detail"]

    @pytest.mark.parametrize(
        ("params", "code", "path"),
        [
            ({"sort": "seed"}, "invalid_request", "sort"),
            ({"before": "c-nonsense"}, "invalid_request", "before"),
            ({"before": "a b"}, "invalid_request", "before"),
            ({"before": "\0"}, "invalid_request", "before"),
            ({"created_after": "yesterday"}, "invalid_request", "created_after"),
            ({"created_after": "2020-01-01T00:00:00"}, "invalid_request", "created_after"),
            ({"created_before": "0001-01-01T00:00:00+14:00"}, "invalid_request", "created_before"),
            ({"archived": "maybe"}, "invalid_request", "archived"),
            ({"tag": "\0"}, "invalid_request", "tag"),
            ({"name": "\0"}, "invalid_request", "name"),
            ({"where": "roundz=3"}, "invalid_spec", "where.roundz"),
        ],
    )
    def test_a_parameter_that_makes_no_sense_is_named(self, api, params, code, path):
        problem = refused(api.get("/v1/experiments", params=params), 422, code)
        assert [issue["path"] for issue in problem["issues"]] == [path]

    def test_a_line_tells_the_final_figures(self, api, sqlite_store, start_run):
        experiment, attempt = start_run(sqlite_store)
        result = {"test_accuracy": 0.5, "validation_accuracy": 0.25}
        sqlite_store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result=result)
        (line,) = api.get("/v1/experiments").json()["experiments"]
        assert (line["id"], line["test_accuracy"], line["validation_accuracy"]) == (experiment.id, 0.5, 0.25)
        assert (line["auxiliary_accuracy"], line["archived"], line["waiting"], line["sweep_id"]) == (None, False, None, None)
        assert "spec" not in line


class TestEditing:
    def test_an_edit_needs_the_tag_of_what_it_edits(self, api):
        id = submit(api, tags=["a"])
        problem = refused(api.patch(f"/v1/experiments/{id}", json={"tags": ["b"]}), 428, "precondition_required")
        assert "If-Match" in problem["hint"]
        assert api.get(f"/v1/experiments/{id}").json()["tags"] == ["a"]

    def test_the_tag_of_every_answer_lets_one_edit_through(self, api):
        made = api.post("/v1/experiments", json={"spec": example_spec(), "tags": ["a"]})
        path = made.headers["Location"]
        edited = api.patch(path, json={"tags": ["b"]}, headers={"If-Match": made.headers["ETag"]})
        assert (edited.status_code, edited.json()["tags"], edited.json()["revision"]) == (200, ["b"], 2)
        assert edited.headers["ETag"] == api.get(path).headers["ETag"]
        stale = api.patch(path, json={"tags": ["c"]}, headers={"If-Match": made.headers["ETag"]})
        assert refused(stale, 412, "stale_revision")["revision"] == 2
        assert api.get(path).json()["tags"] == ["b"]

    def test_rounds_that_finish_do_not_get_in_the_way_of_an_edit(self, api, sqlite_store, start_run):
        experiment, attempt = start_run(sqlite_store)
        before = api.get(f"/v1/experiments/{experiment.id}").headers["ETag"]
        event = {"kind": "round_finished", "key": "round_finished:1", "round": 1, "metrics": {}}
        sqlite_store.record(attempt.id, attempt.token, events=[event])
        assert api.get(f"/v1/experiments/{experiment.id}").headers["ETag"] != before
        edited = api.patch(f"/v1/experiments/{experiment.id}", json={"tags": ["b"]}, headers={"If-Match": before})
        assert edited.status_code == 200

    @pytest.mark.parametrize("tag", ['"0-abc"', '"other"', "1", 'W/"1-abc"'])
    def test_a_tag_that_is_none_of_the_experiment_is_stale(self, api, tag):
        id = submit(api)
        refused(api.patch(f"/v1/experiments/{id}", json={}, headers={"If-Match": tag}), 412, "stale_revision")

    def test_a_copy_is_up_to_date_only_while_nothing_changed(self, api, sqlite_store):
        id = submit(api)
        path, tag = f"/v1/experiments/{id}", api.get(f"/v1/experiments/{id}").headers["ETag"]
        fresh = api.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (fresh.status_code, fresh.content, fresh.headers["ETag"]) == (304, b"", tag)
        api.post(f"{path}/cancel")
        assert api.get(path, headers={"If-None-Match": tag}).status_code == 200

    def test_only_an_ended_experiment_is_archived(self, api):
        id = submit(api)
        refused(api.patch(f"/v1/experiments/{id}", json={"archived": True}, headers={"If-Match": "*"}), 409, "conflict")
        api.post(f"/v1/experiments/{id}/cancel")
        assert api.patch(f"/v1/experiments/{id}", json={"archived": True}, headers={"If-Match": "*"}).json()["archived"]

    @pytest.mark.parametrize("body", [{"spec": {}}, {"tags": None}, {"tags": [""]}, {"archived": "later"}, []])
    def test_nothing_else_can_be_edited(self, api, body):
        id = submit(api)
        refused(api.patch(f"/v1/experiments/{id}", json=body, headers={"If-Match": "*"}), 422, "invalid_request")


class TestActingOnMany:
    def test_each_experiment_has_an_outcome_of_its_own(self, api, sqlite_store):
        ids = [ended(api), submit(api), "nonesuch"]
        outcomes = api.post("/v1/experiments/actions", json={"action": "archive", "ids": [*ids, ids[0]]}).json()["outcomes"]
        assert [(outcome["id"], outcome["status"]) for outcome in outcomes] == list(zip(ids, (200, 409, 404), strict=True))
        assert [outcome["problem"] and outcome["problem"]["code"] for outcome in outcomes] == [None, "conflict", "not_found"]
        assert sqlite_store.get(ids[0]).archived_at is not None

    def test_many_are_cancelled_retried_brought_back_and_deleted(self, api, sqlite_store):
        ids = [submit(api) for _ in range(3)]

        def act(action):
            return api.post("/v1/experiments/actions", json={"action": action, "ids": ids}).json()["outcomes"]

        assert [outcome["state"] for outcome in act("cancel")] == ["CANCELLED"] * 3
        retried = [outcome["retried_as"] for outcome in act("retry")]
        assert [sqlite_store.get(id).retried_from for id in retried] == ids
        assert [outcome["status"] for outcome in act("archive") + act("unarchive")] == [200] * 6
        assert [outcome["status"] for outcome in act("delete")] == [204] * 3
        assert sorted(listed(api)) == sorted(retried)

    @pytest.mark.parametrize("ids", [[], ["x"] * 201, ["a b"], "x"])
    def test_no_ids_too_many_and_what_is_none_are_refused(self, api, ids):
        refused(api.post("/v1/experiments/actions", json={"action": "delete", "ids": ids}), 422, "invalid_request")


class TestComparing:
    def test_what_differs_is_told_by_path_and_experiment(self, api, sqlite_store, start_run):
        running, attempt = start_run(sqlite_store)
        event = {"kind": "round_finished", "key": "round_finished:1", "round": 1, "metrics": {"loss": 1.0}}
        sqlite_store.record(attempt.id, attempt.token, events=[event])
        result = {"test_accuracy": 0.5, "costs": {"bytes_up": 7}, "state": "SUCCEEDED"}
        sqlite_store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result=result)
        other = submit(api, seed=7, aggregation={"kind": "trimmed_mean", "f": 2})
        found = api.get("/v1/experiments/compare", params={"id": [other, running.id]}).json()
        assert [line["id"] for line in found["experiments"]] == [other, running.id]
        assert found["differences"]["seed"] == {other: 7, running.id: 0}
        assert found["differences"]["aggregation.kind"] == {other: "trimmed_mean", running.id: "mean"}
        assert found["differences"]["aggregation.f"] == {other: 2}
        assert "rounds" not in found["differences"]
        assert found["figures"] == {"test_accuracy": {running.id: 0.5}, "costs.bytes_up": {running.id: 7}}
        assert (found["shared_series"], found["series"]) == ([], {"loss": [running.id]})

    def test_less_than_two_and_unknown_ones_are_refused(self, api):
        id = submit(api)
        refused(api.get("/v1/experiments/compare", params={"id": [id]}), 422, "invalid_request")
        refused(api.get("/v1/experiments/compare", params={"id": [id] * 51}), 422, "invalid_request")
        refused(api.get("/v1/experiments/compare", params={"id": [id, "nonesuch"]}), 404, "not_found")


class TestWaitingForEvents:
    def test_an_answer_is_held_until_there_is_news(self, api, sqlite_store, start_run):
        experiment, attempt = start_run(sqlite_store)
        event = {"kind": "round_finished", "key": "round_finished:1", "round": 1, "metrics": {}}

        def train():
            sqlite_store.record(attempt.id, attempt.token, events=[event])

        trainer = threading.Timer(0.2, train)
        trainer.start()
        answer = api.get(f"/v1/experiments/{experiment.id}/events", params={"after": 3, "wait_s": 30}).json()
        trainer.join()
        assert [event["kind"] for event in answer["events"]] == ["round_finished"]
        assert (answer["next"], answer["ended"]) == (4, False)

    def test_the_end_of_the_experiment_is_news_and_nothing_comes_after_it(self, api, sqlite_store):
        id = submit(api)
        canceller = threading.Timer(0.2, sqlite_store.request_cancel, [id])
        canceller.start()
        answer = api.get(f"/v1/experiments/{id}/events", params={"after": 1, "wait_s": 30}).json()
        canceller.join()
        assert ([event["data"]["state"] for event in answer["events"]], answer["ended"]) == (["CANCELLED"], True)
        again = api.get(f"/v1/experiments/{id}/events", params={"after": answer["next"], "wait_s": 30}).json()
        assert again == {"events": [], "next": 2, "ended": True}

    def test_without_news_the_answer_is_empty_when_the_time_is_over(self, api):
        id = submit(api)
        answer = api.get(f"/v1/experiments/{id}/events", params={"after": 1, "wait_s": 0.05}).json()
        assert answer == {"events": [], "next": 1, "ended": False}

    def test_past_events_and_unknown_experiments_are_answered_at_once(self, serve, sqlite_store):
        with httpx.Client(base_url=serve(sqlite_store, Settings(event_poll_s=3600)), trust_env=False, timeout=60) as api:
            id = submit(api)
            answer = api.get(f"/v1/experiments/{id}/events", params={"wait_s": 30}).json()
            assert [event["id"] for event in answer["events"]] == [1]
            refused(api.get("/v1/experiments/nonesuch/events", params={"wait_s": 30}), 404, "not_found")
        with httpx.Client(base_url=serve(sqlite_store), trust_env=False) as api:
            refused(api.get(f"/v1/experiments/{id}/events", params={"wait_s": 31}), 422, "invalid_request")

    def test_those_who_wait_hold_neither_a_thread_nor_a_connection(self, api, sqlite_store):
        id = submit(api)
        waiting = [
            threading.Thread(
                target=httpx.get,
                args=[f"{api.base_url}/v1/experiments/{id}/events?after=1&wait_s=30"],
                kwargs={"trust_env": False, "timeout": 60},
            )
            for _ in range(60)
        ]
        for thread in waiting:
            thread.start()
        while "heron_event_streams 60.0" not in api.get("/metrics").text:
            pass
        # More wait than there are threads for requests, and all the same others are answered.
        assert api.get(f"/v1/experiments/{id}").status_code == 200
        api.post(f"/v1/experiments/{id}/cancel")
        for thread in waiting:
            thread.join()
        assert sqlite_store.connections()[0] == 0


def test_every_operation_has_a_name_that_a_client_can_call(api):
    document = api.get("/openapi.json").json()
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert sorted(names) == sorted(OPERATIONS)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)
