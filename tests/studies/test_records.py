"""What the docs say of the shipped studies was run: with the specs of today, and one cell comes out as recorded."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.studies import expand, read_study

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "experiments" / "studies").glob("*.yaml"))


def recorded(study: Path) -> list[dict[str, str]]:
    with (ROOT / "benchmarks" / "results" / f"study-{study.stem}-cells.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.stem)
def test_every_cell_is_on_record_under_the_hash_it_has_today(study: Path) -> None:
    cells = expand(read_study(study))
    # Impossible cells have no hash, and are on record with an empty one.
    labels = [(cell.key or "", dict(cell.labels)) for cell in cells]
    assert [(row["trajectory_hash"], {name: row[name] for name in cells[0].labels}) for row in recorded(study)] == labels


def test_a_cell_of_the_byzantine_study_comes_out_as_recorded() -> None:
    study = next(file for file in STUDIES if file.stem == "byzantine")
    only = {"method": ["cse_fsl"], "attack": ["label_flip"], "rule": ["trimmed_mean"], "seed": ["0"]}
    (cell,) = expand(read_study(study), only)
    assert cell.spec is not None
    row = next(row for row in recorded(study) if row["trajectory_hash"] == cell.key)
    with LocalExecutor() as executor:
        result = Simulation(cell.spec, executor).run()
    # Other processors round differently.
    assert result.test_accuracy == pytest.approx(float(row["test_accuracy"]), abs=0.02)
    assert result.auxiliary_accuracy == pytest.approx(float(row["auxiliary_test_accuracy"]), abs=0.02)
    assert result.costs.bytes_up == int(row["bytes_up"])
