"""Data sets that say who made each sample, and clients that each hold what one of them made."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from heron_ray.data import load_dataset
from heron_ray.errors import DataError
from heron_ray.simulation.setup import Setup
from heron_ray.spec.data import ParquetData
from tests.conftest import MakeSpec

SMALL: dict[str, Any] = {"kind": "parquet", "path": "set", "classes": 2, "height": 2, "width": 2, "channels": 1}
WRITERS = ("ada", "bob", "cyd", "dan")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of two shards whose images are as grey as the number of who made them."""
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    (tmp_path / "set").mkdir()
    for name, rows in (("train-0", 30), ("train-1", 50), ("test-0", 10)):
        write(tmp_path / "set" / f"{name}.parquet", [row * 7 % 4 for row in range(rows)])
    return tmp_path / "set"


def write(path: Path, writers: list[int | None]) -> None:
    cells = []
    for writer in writers:
        stream = io.BytesIO()
        Image.fromarray(np.full((2, 2), 60 * (writer or 0), dtype=np.uint8)).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    columns = {
        "image": pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "label": pa.array([row % 2 for row in range(len(writers))], pa.int64()),
        "writer": pa.array([None if writer is None else WRITERS[writer] for writer in writers], pa.string()),
        "number": pa.array(writers, pa.int64()),
    }
    parquet.write_table(pa.table(columns), path)


@pytest.mark.parametrize("column", ["writer", "number"])
def test_each_training_sample_keeps_the_number_of_who_made_it(root: Path, column: str) -> None:
    dataset = load_dataset(ParquetData.model_validate({**SMALL, "client_column": column}), 0)
    assert dataset.makers is not None
    assert greys_of(dataset.train.x) == (60 * dataset.makers).tolist()
    assert len(dataset.makers) == 72


def test_clients_of_a_natural_partition_hold_what_one_made(root: Path, make_spec: MakeSpec) -> None:
    data = "data={kind: parquet, path: set, classes: 2, height: 2, width: 2, channels: 1, client_column: writer}"
    setup = Setup.build(make_spec(data, "partition={kind: natural}", "clients={count: 4}"))
    greys = [set(setup.dataset.train.x[setup.shards[client]].flatten().tolist()) for client in range(4)]
    assert [len(grey) for grey in greys] == [1, 1, 1, 1]
    assert len(set.union(*greys)) == 4


def test_folders_of_clients_say_who_made_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_spec: MakeSpec) -> None:
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    for label in ("cat", "dog"):
        for number, writer in enumerate(WRITERS[: 4 if label == "cat" else 3]):
            save(tmp_path / "set" / "train" / label / writer, number, images=6)
        save(tmp_path / "set" / "test" / label, 0, images=2)
    data = "data={kind: image_folder, path: set, classes: 2, height: 2, width: 2, channels: 1, client_folders: true}"
    setup = Setup.build(make_spec(data, "partition={kind: natural}", "clients={count: 4}"))
    greys = [set(greys_of(setup.dataset.train.x[setup.shards[client]])) for client in range(4)]
    assert greys == [{0}, {60}, {120}, {180}]
    assert set(setup.dataset.train.y[setup.shards[3]].tolist()) == {0}, "dan made no dog"


def save(folder: Path, number: int, images: int) -> None:
    folder.mkdir(parents=True)
    for place in range(images):
        Image.fromarray(np.full((2, 2), 60 * number, dtype=np.uint8)).save(folder / f"{place}.png")


def greys_of(x: torch.Tensor) -> list[int]:
    return np.rint((x[:, 0, 0, 0].numpy() + 1) / 2 * 255).astype(int).tolist()


def test_without_a_column_nobody_made_anything(root: Path) -> None:
    assert load_dataset(ParquetData.model_validate(SMALL), 0).makers is None


def test_the_field_leaves_hashes_of_specs_without_it_alone() -> None:
    assert "client_column" not in ParquetData.model_validate(SMALL).model_dump(mode="json")
    assert ParquetData.model_validate({**SMALL, "client_column": "writer"}).model_dump(mode="json")["client_column"] == "writer"


def test_a_column_that_is_not_there_or_has_gaps_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"set/train-0.parquet has no column 'author'.*client_column"):
        load_dataset(ParquetData.model_validate({**SMALL, "client_column": "author"}), 0)
    write(root / "train-1.parquet", [0, 1, None, 2])
    with pytest.raises(DataError, match=r"set/train-1.parquet, row 2: 'writer' is None, not text"):
        load_dataset(ParquetData.model_validate({**SMALL, "client_column": "writer"}), 0)
