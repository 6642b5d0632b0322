"""Running studies: what is finished is not run again, what was interrupted goes on, and who runs a cell changes no figure."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from heron_ray.errors import StudyError
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import ExperimentSpec
from heron_ray.studies import Cell, expand
from heron_ray.studies.folder import StudyFolder
from heron_ray.studies.run import run_cells
from heron_ray.studies.table import rows_of
from tests.studies.conftest import MakeStudy


class Ended:
    """Keeps which cells were run, in order."""

    def __init__(self) -> None:
        self.cells: list[tuple[str, str]] = []

    def __call__(self, spec: ExperimentSpec, outcome: dict[str, Any]) -> None:
        self.cells.append((spec.trajectory_hash(), outcome["state"]))


def run(cells: list[Cell], path: Path, workers: int = 1, **more: Any) -> tuple[dict[str, dict[str, Any]], Ended]:
    ended = Ended()
    outcomes = run_cells(cells, StudyFolder(path), workers=workers, ended=ended, **more)
    return outcomes, ended


def digest(spec: ExperimentSpec) -> str:
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run().trajectory_digest


def test_every_cell_is_run_once_with_the_digest_it_has_alone_and_never_again(make_study: MakeStudy, tmp_path: Path) -> None:
    cells = expand(make_study(seeds=[0]))
    outcomes, ended = run(cells, tmp_path)
    assert [key for key, _ in ended.cells] == [cell.key for cell in cells]
    for cell in cells:
        assert cell.key is not None
        assert cell.spec is not None
        assert outcomes[cell.key]["result"]["trajectory_digest"] == digest(cell.spec)
    again, nothing = run(cells, tmp_path)
    assert nothing.cells == []
    assert {key: one["result"] for key, one in again.items()} == {key: one["result"] for key, one in outcomes.items()}


def test_cells_of_one_trajectory_run_once(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(seeds=[0], given={"rounds": 1})
    axes = {**study.model_dump(mode="json")["axes"], "f": {"kind": "path", "path": "aggregation.f?", "values": [0, 1]}}
    cells = expand(make_study(seeds=[0], given={"rounds": 1}, axes=axes), {"attack": ["none"], "rule": ["mean"]})
    outcomes, ended = run(cells, tmp_path)
    assert len(cells) == 2
    assert len(ended.cells) == len(outcomes) == 1
    assert [row.state for row in rows_of(cells, outcomes)] == ["SUCCEEDED", "SUCCEEDED"]


def test_an_interrupted_cell_goes_on_from_its_checkpoint_to_the_same_digest(make_study: MakeStudy, tmp_path: Path) -> None:
    cells = expand(make_study(seeds=[0]), {"attack": ["none"], "rule": ["mean"]})
    asked = iter([False, False, True])
    outcomes, ended = run(cells, tmp_path, should_stop=lambda: next(asked))
    (key,) = outcomes
    assert ended.cells == [(key, "CANCELLED")]
    kept = tmp_path / "cells" / key / "checkpoints"
    assert [path.name for path in kept.glob("round-*")] == ["round-00000001"]
    outcomes, _ = run(cells, tmp_path)
    assert cells[0].spec is not None
    assert outcomes[key]["result"]["trajectory_digest"] == digest(cells[0].spec)
    assert not kept.exists()


def test_a_cell_keeps_its_accuracies_at_every_evaluation_across_an_interruption(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(seeds=[0], given={"rounds": 6, "evaluation.every": 2})
    cells = expand(study, {"attack": ["none"], "rule": ["mean"]})
    (whole,) = run(cells, tmp_path / "whole")[0].values()
    asked = iter([False] * 4 + [True])
    run(cells, tmp_path / "cut", should_stop=lambda: next(asked))
    half = tmp_path / "cut" / "cells" / str(cells[0].key) / "curves.jsonl"
    with half.open("a", encoding="utf-8") as file:
        file.write('{"round": 4, "test_acc')  # as a killed process leaves it
    (outcome,) = run(cells, tmp_path / "cut")[0].values()
    assert outcome["curves"] == whole["curves"]
    assert whole["curves"]["test_accuracy"]["rounds"] == [2, 4, 6]
    assert whole["curves"]["test_accuracy"]["values"][-1] == whole["result"]["test_accuracy"]
    assert not half.exists()
    (row,) = rows_of(cells, {str(cells[0].key): outcome})
    assert row.curves["auxiliary_test_accuracy"]["values"][-1] == row.accuracies["auxiliary_test_accuracy"]


def test_two_workers_find_what_one_finds(make_study: MakeStudy, tmp_path: Path) -> None:
    cells = expand(make_study(seeds=[0]))
    alone, _ = run(cells, tmp_path / "one")
    together, ended = run(cells, tmp_path / "two", workers=2)
    assert len(ended.cells) == 4
    assert {key: one["result"]["trajectory_digest"] for key, one in alone.items()} == {
        key: one["result"]["trajectory_digest"] for key, one in together.items()
    }


def test_a_worker_that_dies_loses_its_cell_only_and_the_next_run_makes_up_for_it(make_study: MakeStudy, tmp_path: Path) -> None:
    cells = expand(make_study(seeds=[0], given={"rounds": 60}), {"rule": ["mean"]})

    def kill_the_first_that_trains() -> bool:
        busy = list((tmp_path / "cells").glob("*/checkpoints/.lock"))
        living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        workers = [child for child in living if "spawn_main" in " ".join(child.cmdline())]
        finished = list((tmp_path / "cells").glob("*/result.json"))
        if busy and not finished and not killed and workers:
            killed.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)
        return False

    killed: list[int] = []
    outcomes, ended = run(cells, tmp_path, workers=2, should_stop=kill_the_first_that_trains)
    lost = [key for key, state in ended.cells if state == "FAILED"]
    assert len(killed) == 1
    assert len(lost) == 1
    assert outcomes[lost[0]]["reason"] == "worker_lost"
    again, ended = run(cells, tmp_path)
    assert ended.cells == [(lost[0], "SUCCEEDED")]
    assert {one["state"] for one in again.values()} == {"SUCCEEDED"}


def test_a_run_that_diverged_is_final_and_counts_as_guessing(make_study: MakeStudy, tmp_path: Path) -> None:
    storm = {"attack": {"kind": "gaussian", "byzantine": 6, "sigma": 1e6}}
    axes = {**make_study().model_dump(mode="json")["axes"], "storm": {"kind": "cases", "cases": {"storm": storm}}}
    given = {"method.client_optimizer.lr": 1000, "rounds": 50}
    cells = expand(make_study(seeds=[0], axes=axes, given=given), {"attack": ["none"], "rule": ["mean"]})
    outcomes, ended = run(cells, tmp_path)
    assert [state for _, state in ended.cells] == ["DIVERGED"]
    (row,) = rows_of(cells, outcomes)
    assert set(row.accuracies.values()) == {0.1}
    assert "finite" in row.plain["reason"]
    assert run(cells, tmp_path)[1].cells == []


def test_a_failure_that_may_pass_is_tried_again(make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    given = {"data": {"kind": "mnist", "path": "nowhere"}}
    cells = expand(make_study(seeds=[0], given=given), {"attack": ["none"], "rule": ["mean"]})
    for _ in range(2):
        outcomes, ended = run(cells, tmp_path / "out")
        assert [state for _, state in ended.cells] == ["FAILED"]
    (row,) = rows_of(cells, outcomes)
    assert row.accuracies["test_accuracy"] is None
    assert "nowhere" in row.plain["reason"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"state": "SUCCEEDED"}', '{"state": "SUCCEEDED", "trajectory_hash": "other"}']
)
def test_a_damaged_result_is_no_result(tmp_path: Path, text: str) -> None:
    folder = StudyFolder(tmp_path)
    folder.keep("a" * 64, {"state": "SUCCEEDED"})
    assert folder.outcome("a" * 64) == {"state": "SUCCEEDED", "trajectory_hash": "a" * 64}
    (tmp_path / "cells" / ("a" * 64) / "result.json").write_text(text, encoding="utf-8")
    assert folder.outcome("a" * 64) is None


def test_a_result_says_what_it_is_of(make_study: MakeStudy, tmp_path: Path) -> None:
    cells = expand(make_study(seeds=[0], given={"rounds": 1}), {"attack": ["none"], "rule": ["mean"]})
    outcomes, _ = run(cells, tmp_path)
    (key,) = outcomes
    kept = json.loads((tmp_path / "cells" / key / "result.json").read_text(encoding="utf-8"))
    assert cells[0].spec is not None
    assert kept["spec"] == cells[0].spec.canonical()
    assert "torch" in kept["provenance"]


def test_two_studies_do_not_run_in_one_folder_at_the_same_time(tmp_path: Path) -> None:
    with StudyFolder(tmp_path).exclusive(), pytest.raises(StudyError, match="another study is running"):
        StudyFolder(tmp_path).exclusive().__enter__()
