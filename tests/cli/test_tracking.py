from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest

from heron_ray.reports import read_record
from heron_ray.spec import parse_spec
from tests.cli.conftest import SPEC
from tests.trackers.test_trackers import as_float32, read_mlflow, read_tensorboard


def points_of(folder):
    return {
        name: list(zip(curve["rounds"], curve["values"], strict=True)) for name, curve in read_record(folder).series.items()
    }


def test_a_run_and_its_export_tell_the_trackers_the_same(heron, spec_file, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    kept, live, later = tmp_path / "kept", tmp_path / "live", tmp_path / "later"
    uri = f"file:{tmp_path}/mlflow"
    ran = heron("run", spec_file, "--out", kept, "--tensorboard", live, "--mlflow", uri)
    assert ran.code == 0, ran.stderr
    exported = heron("export", kept, "--tensorboard", later, "--mlflow", uri)
    assert exported.code == 0, exported.stderr
    (one,), (other,) = live.iterdir(), later.iterdir()
    assert one.name == other.name
    assert read_tensorboard(one) == read_tensorboard(other) == as_float32(points_of(kept))
    ((_, points),) = read_mlflow(uri)
    assert points == points_of(kept)


def test_an_experiment_of_the_service_is_exported_to_tensorboard(heron, service, store, dispatcher, tmp_path) -> None:
    id = store.submit(parse_spec(SPEC)).id
    dispatcher.finish_round(dispatcher.claim(), 1, 3)
    outcome = heron("export", id, "--tensorboard", tmp_path / "board", "--json")
    assert outcome.object == {"tensorboard": str(tmp_path / "board"), "mlflow": None, "wandb": None, "experiments": [id]}
    (folder,) = (tmp_path / "board").iterdir()
    assert folder.name == f"tiny-{id[:12]}"
    assert set(read_tensorboard(folder)) == {"test_accuracy", "validation_accuracy"}


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_local_run_is_exported_as_a_file_too(heron, spec_file, tmp_path, file_format) -> None:
    heron("run", spec_file, "--out", tmp_path / "kept")
    file = tmp_path / "points"
    assert heron("export", tmp_path / "kept", "--format", file_format, "-o", file).code == 0
    if file_format == "csv":
        rows = [
            (row["series"], int(row["round"]), float(row["value"])) for row in csv.DictReader(io.StringIO(file.read_text()))
        ]
    else:
        columns = pq.read_table(file).to_pydict()
        rows = list(zip(columns["series"], columns["round"], columns["value"], strict=True))
    found = points_of(tmp_path / "kept")
    assert sorted(rows) == sorted((name, *point) for name, curve in found.items() for point in curve)


def test_an_export_needs_one_place_to_go_to(heron, tmp_path) -> None:
    assert heron("export", "a").code == 2
    assert heron("export", "a", "-o", tmp_path / "b", "--tensorboard", tmp_path).code == 2
