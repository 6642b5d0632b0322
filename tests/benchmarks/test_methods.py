"""The table of all methods: complete, of the present code and settings, and told alike by JSON and docs."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.methods import (
    BEGIN,
    DOCS,
    END,
    GRID,
    KINDS,
    RATES,
    SEEDS,
    cells,
    load_results,
    measure,
    overrides,
    row_spec,
    table,
    write_docs,
)
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import profile

RESULTS = load_results()
EXACT = ("bytes_up", "bytes_down", "client_macs_per_step", "client_peak_bytes", "messages")


def seeds(cell: str) -> dict[str, dict[str, Any]]:
    recorded: dict[str, dict[str, Any]] = RESULTS[cell]["seeds"]
    return recorded


@pytest.mark.parametrize("task", SEEDS)
def test_every_registered_method_has_a_row(task: str) -> None:
    assert {row_spec(task, row).method.kind for row in KINDS} == set(METHODS)
    assert {row_spec(task, row).method.kind for row in KINDS if f"{task}:{row}" in RESULTS} == set(METHODS)
    assert set(RATES[task]) == set(KINDS)
    assert set(GRID[task]) == set(KINDS) - {"heron-scalars"}


@pytest.mark.parametrize("cell", cells())
def test_a_row_was_recorded_with_the_present_settings_and_says_where_it_comes_from(cell: str) -> None:
    task, row = cell.split(":")
    recorded = RESULTS[cell]
    assert recorded["overrides"] == overrides(task, row)
    assert list(recorded["seeds"]) == [str(seed) for seed in range(SEEDS[task])]
    assert recorded["command"].endswith(cell)
    assert recorded["commit"]
    assert set(recorded["machine"]) == {"cpu", "python", "torch"}


@pytest.mark.parametrize("cell", cells())
def test_the_recorded_costs_are_those_of_the_present_code(cell: str) -> None:
    costs = profile(row_spec(*cell.split(":")))
    for figures in seeds(cell).values():
        assert figures["client_macs_per_step"] == costs.client_macs_per_step
        assert figures["client_peak_bytes"] == costs.client_peak_bytes


def test_a_recorded_run_comes_out_again() -> None:
    recorded, measured = seeds("digits:cse_fsl")["0"], measure(row_spec("digits", "cse_fsl", 0))
    assert {key: measured[key] for key in EXACT} == {key: recorded[key] for key in EXACT}
    for key in ("test_accuracy", "auxiliary_accuracy", "validation_accuracy"):
        assert measured[key] == pytest.approx(recorded[key], abs=0.02)  # other machines round differently


@pytest.mark.parametrize("task", SEEDS)
def test_scalars_follow_the_path_of_vectors(task: str) -> None:
    for vectors, scalars in zip(seeds(f"{task}:heron").values(), seeds(f"{task}:heron-scalars").values(), strict=True):
        for key in ("test_accuracy", "auxiliary_accuracy", "validation_accuracy", "client_macs_per_step", "messages"):
            assert scalars[key] == vectors[key]


@pytest.mark.parametrize("task", SEEDS)
def test_the_docs_show_what_was_recorded(task: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    shown = text.split(BEGIN.format(task=task))[1].split(END.format(task=task))[0]
    assert shown.strip() == table(task, RESULTS)


def test_writing_the_docs_replaces_the_tables_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    blocks = [f"{BEGIN.format(task=task)}\nold\n{END.format(task=task)}\n" for task in SEEDS]
    page.write_text("before\n" + "between\n".join(blocks) + "after\n", encoding="utf-8")
    write_docs(page)
    lines = page.read_text(encoding="utf-8").splitlines()
    assert "old" not in lines
    assert [line for line in lines if not line.startswith(("|", "<!--"))] == ["before", "between", "after"]
    assert sum(line.startswith("| `heron` |") for line in lines) == len(SEEDS)
