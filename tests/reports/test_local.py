from __future__ import annotations

import json

import pytest

from heron_ray.errors import RecordError
from heron_ray.reports import draw, read_record

EVENTS = [
    {"kind": "started", "after_round": 0},
    {"kind": "round_finished", "round": 1, "metrics": {"loss": 2.0}},
    {"kind": "round_finished", "round": 2, "metrics": {"loss": 1.0}},
    {"kind": "started", "after_round": 1},
    {"kind": "round_finished", "round": 2, "metrics": {"loss": 1.0, "test_accuracy": 0.5}},
]


def lines(events) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def test_a_round_told_twice_is_one_point(tmp_path) -> None:
    file = tmp_path / "night.jsonl"
    file.write_text(lines(EVENTS))
    record = read_record(file)
    assert record.series == {
        "loss": {"rounds": [1, 2], "values": [2.0, 1.0]},
        "test_accuracy": {"rounds": [2], "values": [0.5]},
    }
    assert (record.name, record.state, record.result) == ("night", "UNFINISHED", None)
    assert [attempt.after_round for attempt in record.attempts] == [0, 1]


def test_losses_of_single_clients_are_a_figure(tmp_path) -> None:
    told = [
        {"kind": "started", "after_round": 0, "byzantine": [2]},
        {"kind": "client_losses", "round": 1, "clients": [0, 2], "losses": [2.0, 9.0]},
        {"kind": "client_losses", "round": 2, "clients": [0], "losses": [1.5]},
    ]
    file = tmp_path / "e.jsonl"
    file.write_text(lines([*told, *told[2:]]))
    heat = draw([read_record(file)])["clients"]["data"][0]
    assert (heat["x"], heat["y"], heat["z"]) == ([1, 2], ["0", "2 (Byzantine)"], [[2.0, 1.5], [9.0, None]])


def test_looks_at_the_hessian_are_a_figure_of_the_first_the_last_and_three_in_between(tmp_path) -> None:
    told = [{"kind": "spectrum", "round": round, "nodes": [-1.0, 4.0], "weights": [0.75, 0.25]} for round in range(1, 8)]
    file = tmp_path / "e.jsonl"
    file.write_text(lines([*told, *told[4:]]))
    names = [trace["name"] for trace in draw([read_record(file)])["spectrum"]["data"]]
    assert names == ["round 1", "round 2", "round 4", "round 5", "round 7"]
    file.write_text(lines(told[:2]))
    assert [trace["name"] for trace in draw([read_record(file)])["spectrum"]["data"]] == ["round 1", "round 2"]
    file.write_text(lines(EVENTS))
    assert "spectrum" not in draw([read_record(file)])


def test_the_half_line_of_a_killed_run_is_passed_over_and_any_other_is_an_error(tmp_path) -> None:
    file = tmp_path / "e.jsonl"
    file.write_text(lines(EVENTS) + '{"kind": "round_fin')
    assert read_record(file).series["loss"]["rounds"] == [1, 2]
    file.write_text('{"kind": "round_finished"}\n' + lines(EVENTS))
    with pytest.raises(RecordError, match="line 1"):
        read_record(file)


def test_what_holds_no_run_is_an_error_that_names_what_does(tmp_path) -> None:
    with pytest.raises(RecordError, match="heron run --out"):
        read_record(tmp_path)
    with pytest.raises(RecordError, match="no run at"):
        read_record(tmp_path / "nowhere")


def test_a_folder_with_several_files_of_events_is_ambiguous(tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(lines(EVENTS))
    with pytest.raises(RecordError, match=r"a\.jsonl, b\.jsonl"):
        read_record(tmp_path)
