"""The docs' tables of four benchmarks are those of their records, which were made with the experiments of today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import edge, kappa, language, objectives

DOCS = Path(__file__).parents[2] / "docs"


def recorded(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("edge.md", lambda: edge.table(recorded(edge.RESULTS)["rows"])),
        ("language.md", lambda: language.methods_table(recorded(language.RESULTS)["rows"])),
        ("language.md", lambda: language.sizes_table(recorded(language.RESULTS)["rows"])),
        ("landscape.md", lambda: kappa.table(recorded(kappa.RESULTS)["cases"])),
        ("objectives.md", lambda: objectives.table(recorded(objectives.RESULTS)["seeds"])),
    ],
    ids=["edge", "language, methods", "language, sizes", "kappa", "objectives"],
)
def test_the_docs_show_what_was_recorded(page: str, table) -> None:
    assert table() in (DOCS / page).read_text(encoding="utf-8")


def test_the_edge_study_was_recorded_with_the_present_methods_and_seeds() -> None:
    rows = recorded(edge.RESULTS)["rows"]
    assert {row: one["overrides"] for row, one in rows.items()} == {row: list(given) for row, given in edge.ROWS.items()}
    assert {tuple(one["seeds"]) for one in rows.values()} == {tuple(map(str, range(edge.SEEDS)))}


def test_language_models_were_fine_tuned_with_the_present_settings() -> None:
    rows = recorded(language.RESULTS)["rows"]
    assert {row: one["overrides"] for row, one in rows.items()} == {row: [*given] for row, given in language.ROWS.items()}


def test_kappa_was_recorded_for_the_present_cases() -> None:
    cases = recorded(kappa.RESULTS)["cases"]
    present = {name: [*case.overrides, f"evaluation.spectrum={case.spectrum}"] for name, case in kappa.CASES.items()}
    assert {name: one["overrides"] for name, one in cases.items()} == present
