import json
import threading

import pytest

from api.domain.admission import Resources
from api.domain.cluster import Node
from heron_ray.spec import load_spec, parse_spec
from tests.cli.conftest import SPEC


def in_background(*steps) -> threading.Thread:
    thread = threading.Thread(target=lambda: [step() for step in steps])
    thread.start()
    return thread


def test_submit_prints_the_id_alone_on_stdout(heron, service, store, spec_file) -> None:
    outcome = heron("submit", spec_file, "--tag", "one", "--tag", "two", "--set", "rounds=7")
    assert outcome.code == 0
    record = store.get(outcome.stdout.strip())
    assert (record.name, record.tags, record.rounds) == ("tiny", ("one", "two"), 7)
    assert f"heron watch {record.id}" in outcome.stderr


def test_submit_json_is_the_answer_of_the_service(heron, service, store, spec_file) -> None:
    outcome = heron("submit", spec_file, "--json")
    spec = load_spec(spec_file)[0]
    assert outcome.object["state"] == "QUEUED"
    assert outcome.object["spec_hash"] == spec.spec_hash() == store.get(outcome.object["id"]).spec_hash


@pytest.mark.parametrize(("end", "code"), [("succeed", 0), ("fail", 1)])
def test_submit_wait_follows_to_the_end_and_exits_by_it(heron, service, store, dispatcher, spec_file, end, code) -> None:
    def play() -> None:
        while not store.list(limit=1):
            pass
        attempt = dispatcher.claim()
        for round in (1, 2, 3):
            dispatcher.finish_round(attempt, round, 3)
        getattr(dispatcher, end)(attempt)

    thread = in_background(play)
    outcome = heron("submit", spec_file, "--wait", "--json")
    thread.join()
    assert outcome.code == code
    assert outcome.object["progress"] == {"round": 3, "rounds": 3}
    assert "tiny: 3/3 rounds, validation accuracy 0.300" in outcome.stderr


def test_watch_json_prints_every_event_on_a_line(heron, service, store, dispatcher) -> None:
    id = store.submit(parse_spec(SPEC)).id
    attempt = dispatcher.claim()
    thread = in_background(lambda: dispatcher.finish_round(attempt, 1, 3), lambda: dispatcher.succeed(attempt))
    outcome = heron("watch", id, "--json")
    thread.join()
    events = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert outcome.code == 0
    assert [event["id"] for event in events] == [1, 2, 3, 4, 5]
    states = [event["data"]["state"] for event in events if event["kind"] == "state"]
    assert states == ["QUEUED", "STARTING", "RUNNING", "SUCCEEDED"]


def test_watch_says_why_an_experiment_failed_and_exits_with_1(heron, service, store, dispatcher) -> None:
    id = store.submit(parse_spec(SPEC)).id
    dispatcher.fail(dispatcher.claim())
    outcome = heron("watch", id)
    assert outcome.code == 1
    assert "tiny: FAILED (diverged: diverged in round 2)" in outcome.stderr
    assert ["reason", "diverged"] in [line.split() for line in outcome.stdout.splitlines()]


def test_show_prints_where_an_experiment_stands(heron, service, store, dispatcher) -> None:
    id = store.submit(parse_spec(SPEC), ["nightly"]).id
    fields = [line.split() for line in heron("show", id).stdout.splitlines()]
    assert ["state", "QUEUED"] in fields
    assert ["tags", "nightly"] in fields
    assert ["rounds", "0", "of", "3"] in fields
    dispatcher.succeed(dispatcher.claim())
    assert ["client", "peak", "memory", "2.0", "KiB"] in [line.split() for line in heron("show", id).stdout.splitlines()]
    shown = heron("show", id, "--json").object
    assert shown["result"]["costs"]["client_peak_bytes"] == 2048


def test_ps_lists_the_newest_first_and_filters(heron, service, store) -> None:
    ids = [store.submit(parse_spec({**SPEC, "name": f"number-{number}"}), [f"tag-{number}"]).id for number in range(3)]
    store.request_cancel(ids[1])
    assert [experiment["id"] for experiment in heron("ps", "--json").object["experiments"]] == ids[::-1]
    assert [experiment["id"] for experiment in heron("ps", "--json", "--state", "cancelled").object["experiments"]] == [ids[1]]
    assert [experiment["id"] for experiment in heron("ps", "--json", "--tag", "tag-2").object["experiments"]] == [ids[2]]
    lines = heron("ps").stdout.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATE", "ROUND", "ACCURACY", "SUBMITTED", "TAGS"]
    assert lines[1].split()[:4] == [ids[2], "number-2", "QUEUED", "0/3"]


def test_ps_reads_as_many_pages_as_it_takes(heron, service, store, monkeypatch) -> None:
    ids = [store.submit(parse_spec(SPEC)).id for _ in range(5)]
    monkeypatch.setattr("heron_ray.cli.ps.PAGE", 2)
    assert [experiment["id"] for experiment in heron("ps", "--json").object["experiments"]] == ids[::-1]
    limited = heron("ps", "--limit", "3")
    assert len(limited.stdout.splitlines()) == 4
    assert "only the first 3" in limited.stderr


def test_an_unknown_state_is_bad_usage(heron, service) -> None:
    outcome = heron("ps", "--state", "DONE", "--json")
    assert outcome.code == 2
    assert "DONE" in outcome.object["error"]["message"]


def test_cancel_prints_the_state_and_a_second_one_is_a_conflict(heron, service, store) -> None:
    id = store.submit(parse_spec(SPEC)).id
    assert heron("cancel", id).stdout.strip() == "CANCELLED"
    outcome = heron("cancel", id, "--json")
    assert outcome.code == 4
    assert outcome.object["error"]["code"] == "conflict"


def test_submit_under_a_key_that_was_used_finds_the_experiment(heron, service, store, spec_file) -> None:
    first = heron("submit", spec_file, "--idempotency-key", "night-1").stdout
    again = heron("submit", spec_file, "--idempotency-key", "night-1")
    assert (again.code, again.stdout) == (0, first)
    assert len(store.list(limit=9)) == 1
    other = heron("submit", spec_file, "--idempotency-key", "night-1", "--set", "seed=9", "--json")
    assert (other.code, other.object["error"]["code"]) == (4, "conflict")


def test_a_key_that_cannot_be_one_is_bad_usage(heron, service, store, spec_file) -> None:
    assert heron("submit", spec_file, "--idempotency-key", "two words").code == 2
    assert store.list(limit=1) == []


def test_retry_prints_the_id_of_the_new_experiment(heron, service, store) -> None:
    first = store.submit(parse_spec(SPEC), ["nightly"]).id
    assert heron("retry", first).code == 4
    store.request_cancel(first)
    outcome = heron("retry", first)
    second = store.get(outcome.stdout.strip())
    assert (outcome.code, second.retried_from, second.tags) == (0, first, ("nightly",))
    assert f"heron watch {second.id}" in outcome.stderr
    assert heron("retry", first, "--json").object["state"] == "QUEUED"


def test_delete_removes_an_ended_experiment_and_no_other(heron, service, store) -> None:
    ids = [store.submit(parse_spec(SPEC)).id for _ in range(2)]
    refused = heron("delete", ids[0], "--json")
    assert (refused.code, refused.object["error"]["hint"]) == (4, "cancel it first")
    for id in ids:
        store.request_cancel(id)
    assert heron("delete", ids[0]).code == 0
    assert heron("delete", ids[1], "--json").object == {"id": ids[1], "deleted": True}
    assert store.list(limit=9) == []


def test_ps_narrows_and_sorts_by_what_specs_say_and_runs_came_to(heron, service, store, dispatcher) -> None:
    ids = [store.submit(parse_spec({**SPEC, "seed": seed}), ["a", f"tag-{seed}"]).id for seed in range(3)]
    dispatcher.succeed(dispatcher.claim())

    def listed(*arguments: str) -> list[str]:
        return [experiment["id"] for experiment in heron("ps", "--json", *arguments).object["experiments"]]

    assert listed("--where", "seed>=1", "--where", "method.kind=heron") == [ids[2], ids[1]]
    assert listed("--tag", "a", "--tag", "tag-1") == [ids[1]]
    assert listed("--sort", "-test_accuracy") == [ids[0], ids[2], ids[1]]
    assert listed("--name", "tiny", "--sort", "created") == ids
    assert listed("--name", "huge") == []
    assert "50.00 %" in heron("ps", "--state", "succeeded").stdout


def test_a_condition_on_a_field_that_no_spec_has_is_bad_usage_and_names_the_nearest(heron, service) -> None:
    outcome = heron("ps", "--where", "method.zeroth_order.mo=1", "--json")
    assert (outcome.code, outcome.object["error"]["code"]) == (2, "invalid_spec")
    assert "did you mean 'method.zeroth_order.mu'?" in outcome.stderr


def test_ended_experiments_go_into_the_archive_and_back(heron, service, store) -> None:
    ids = [store.submit(parse_spec(SPEC)).id for _ in range(3)]
    for id in ids[:2]:
        store.request_cancel(id)
    outcome = heron("archive", *ids)
    assert outcome.code == 4
    assert f"archived {ids[0]}" in outcome.stderr
    assert f"error: experiment {ids[2]} has not ended" in outcome.stderr
    assert [found["id"] for found in heron("ps", "--json").object["experiments"]] == [ids[2]]
    assert [found["id"] for found in heron("ps", "--json", "--archived", "true").object["experiments"]] == [ids[1], ids[0]]
    undone = heron("archive", "--undo", ids[0], "--json")
    assert (undone.code, [found["status"] for found in undone.object["outcomes"]]) == (0, [200])
    assert store.get(ids[0]).archived_at is None


def test_tags_are_added_and_removed(heron, service, store) -> None:
    id = store.submit(parse_spec(SPEC), ["a", "b"]).id
    assert heron("tag", id, "--add", "c", "--add", "a", "--remove", "b").stdout.split() == ["a", "c"]
    assert store.get(id).tags == ("a", "c")
    assert heron("tag", id, "--remove", "a", "--json").object["tags"] == ["c"]


def test_a_tag_edit_is_repeated_where_somebody_else_was_faster(heron, service, store, monkeypatch) -> None:
    id, edit = store.submit(parse_spec(SPEC), ["a"]).id, store.edits.edit
    rivals = [["a", "theirs"], ["a", "theirs", "too"]]

    def edit_second(*arguments, **options):
        if rivals:
            edit(id, tags=rivals.pop(0))
        return edit(*arguments, **options)

    monkeypatch.setattr(store.edits, "edit", edit_second)
    assert heron("tag", id, "--add", "mine").stdout.split() == ["a", "theirs", "too", "mine"]


def test_compare_prints_what_differs_in_a_column_for_each(heron, service, store, dispatcher) -> None:
    ids = [store.submit(parse_spec({**SPEC, "seed": seed})).id for seed in (7, 8)]
    dispatcher.succeed(dispatcher.claim())
    lines = [line.split() for line in heron("compare", *ids).stdout.splitlines()]
    assert lines[:3] == [ids, ["state", "SUCCEEDED", "QUEUED"], ["seed", "7", "8"]]
    assert ["test_accuracy", "0.5"] in lines
    assert heron("compare", *ids, "--json").object["differences"] == {"seed": {ids[0]: 7, ids[1]: 8}}
    assert heron("compare", ids[0]).code == 2
    assert heron("compare", ids[0], "0123abcd").code == 3


@pytest.mark.parametrize("verb", ["show", "watch", "cancel", "retry", "delete", "tag", "archive"])
def test_an_unknown_id_exits_with_3(heron, service, verb: str) -> None:
    outcome = heron(verb, "0123abcd", "--json")
    assert outcome.code == 3
    assert '"not_found"' in outcome.stdout
    assert outcome.stderr.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [["ps"], ["show", "0123abcd"], ["watch", "0123abcd"], ["cancel", "0123abcd"], ["retry", "0"]]
)
def test_no_service_exits_with_5(heron, arguments: list[str]) -> None:
    outcome = heron(*arguments, "--url", "http://127.0.0.1:1", "--json")
    assert outcome.code == 5
    assert outcome.object["error"]["code"] == "unreachable"
    assert "hint: start one with: heron serve" in outcome.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "http://host:notaport", "nonsense"])
def test_an_address_that_is_none_is_bad_usage(heron, url: str) -> None:
    outcome = heron("ps", "--url", url, "--json")
    assert outcome.code == 2
    assert url in outcome.object["error"]["message"]


def test_the_address_is_found_in_the_environment_and_the_option_goes_before_it(heron, service) -> None:
    assert heron("ps").code == 0
    assert heron("ps", "--url", "http://127.0.0.1:1").code == 5


def test_why_says_what_a_queued_experiment_waits_for(heron, service, store) -> None:
    store.submit(parse_spec(SPEC))
    id = store.submit(parse_spec(SPEC)).id
    store.note_waiting({id: "waits for a free slot: 1 of 1 run"})
    assert heron("why", id).stdout.strip() == "waits for a free slot: 1 of 1 run; ahead of it: 1 experiment"
    assert heron("why", id, "--json").object["ahead"] == 1


def test_kill_prints_the_state_and_a_second_one_is_a_conflict(heron, service, store) -> None:
    id = store.submit(parse_spec(SPEC)).id
    assert heron("kill", id).stdout.strip() == "CANCELLED"
    assert heron("kill", id, "--json").object["error"]["code"] == "conflict"


def test_submit_says_how_often_an_experiment_is_attempted(heron, service, store, spec_file) -> None:
    id = heron("submit", spec_file, "--max-attempts", "3").stdout.strip()
    assert store.get(id).retry == {"max_attempts": 3}
    assert heron("submit", spec_file, "--max-attempts", "21").code == 2


def test_cluster_shows_slots_nodes_and_the_queue(heron, service, store, dispatcher) -> None:
    outcome = heron("cluster")
    assert "no dispatcher has reported yet" in outcome.stdout
    assert "nothing is queued" in outcome.stdout
    first, second = (store.submit(parse_spec(SPEC), resources={"cpus": 1}).id for _ in range(2))
    has = Resources(cpus=4.0, memory_bytes=8 << 30)
    node = Node(id="here", name="one", address="10.0.0.1", is_alive=True, is_head=True, has=has)
    dispatcher.claim()
    (attempt,) = store.attempts(first)
    store.dispatchers.note(attempt.owner, slots=1, nodes=[node])
    store.note_waiting({second: "waits for a free slot: 1 of 1 run"})
    lines = heron("cluster").stdout.splitlines()
    assert lines[0] == f"dispatcher {attempt.owner}: 1 of 1 slots taken"
    assert lines[1] == "let in with 1 of 4 CPUs, 0 B of 8.0 GiB"
    assert lines[3].split() == ["one", "10.0.0.1", "head", "4", "0", "8.0", "GiB", "1"]
    assert lines[5] == "1 queued:"
    assert lines[-1].startswith(second)
    assert lines[-1].endswith("waits for a free slot: 1 of 1 run")
    found = heron("cluster", "--json").object
    assert [one["id"] for one in found["dispatchers"][0]["running"]] == [first]
