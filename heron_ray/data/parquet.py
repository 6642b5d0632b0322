"""Parquet shards in Hugging Face's layout: an image column {bytes, path} and a label column.

Rows are counted from 0 in each file. Only the shards' record batches in work are in memory, never a whole shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heron_ray.data.dataset import Dataset
from heron_ray.data.images import Pixels, assemble, check_label, decode_image, training_rows
from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError
from heron_ray.spec.data import ParquetData

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import ParquetFile

_BATCH_ROWS = 512


def load_parquet(spec: ParquetData, seed: int) -> Dataset:
    """Load the training and test shards of a data set.

    Args:
        spec: The section.
        seed: Not used: what is chosen and held out is the same for every experiment.

    Raises:
        DataError: pyarrow is not installed; a file or column is missing; an image or label is corrupt or not what the spec
            says.
    """
    directory = DataDirectory.from_environment()
    folder = directory.folder(spec.path)
    train, test = (_ParquetImages(directory, directory.files(folder, pattern), spec) for pattern in (spec.train, spec.test))
    dataset = assemble(spec, train, test)
    if spec.client_column is None:
        return dataset
    return replace(dataset, makers=train.makers(spec.client_column, training_rows(spec, train)))


class _ParquetImages:
    """The rows of several shards, one shard after the other."""

    def __init__(self, directory: DataDirectory, paths: list[Path], spec: ParquetData) -> None:
        self.name = ", ".join(directory.name(path) for path in paths)
        self._spec = spec
        self._paths = {directory.name(path): path for path in paths}
        self._sizes: dict[str, int] = {}
        for name, path in self._paths.items():
            with _open(path, name) as file:
                _check_columns(file, spec, name)
                self._sizes[name] = file.metadata.num_rows

    def __len__(self) -> int:
        return sum(self._sizes.values())

    def read(self, rows: NDArray[np.int64]) -> Iterator[tuple[Pixels, int]]:
        """Decode the chosen rows, shard after shard."""
        start = 0
        for name, size in self._sizes.items():
            here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + size)] - start
            if len(here):
                yield from self._read_shard(name, here)
            start += size

    def makers(self, column: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of who made each of `rows`, in their order; names are numbered in ascending order."""
        names: list[object] = []
        for name, path in self._paths.items():
            with _open(path, name) as file:
                if column not in file.schema_arrow.names:
                    raise DataError(f"{name} has no column {column!r}", hint="set data.client_column")
                for start, batch in _batches(file, [column], name):
                    found = batch.column(0).to_pylist()
                    wrong = next((row for row, value in enumerate(found) if not isinstance(value, str | int)), None)
                    if wrong is not None:
                        raise DataError(
                            f"{name}, row {start + wrong}: {column!r} is {found[wrong]!r}, not text or a whole number"
                        )
                    names += found
        _, numbers = np.unique(np.array(names)[rows], return_inverse=True)
        return numbers.astype(np.int64)

    def _read_shard(self, name: str, rows: NDArray[np.int64]) -> Iterator[tuple[Pixels, int]]:
        image, label = self._spec.image_column, self._spec.label_column
        with _open(self._paths[name], name) as file:
            for start, batch in _batches(file, [f"{image}.bytes", label], name):
                here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + batch.num_rows)]
                for row, values in zip(here.tolist(), batch.take(here - start).to_pylist(), strict=True):
                    where = f"{name}, row {row}"
                    data = (values[image] or {}).get("bytes")
                    if not data:
                        raise DataError(f"{where} has no image bytes in its column {image!r}")
                    yield decode_image(data, self._spec, where), check_label(values[label], self._spec.classes, where)


def _batches(file: ParquetFile, columns: list[str], name: str) -> Iterator[tuple[int, RecordBatch]]:
    """Record batches, each with the number of its first row."""
    import pyarrow

    start, batches = 0, file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{name} cannot be read from row {start} on: {error}") from error
        if batch is None:
            return
        yield start, batch
        start += batch.num_rows


@contextmanager
def _open(path: Path, name: str) -> Iterator[ParquetFile]:
    """An open Parquet file; what Arrow finds wrong with it becomes a DataError."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError("data.kind=parquet needs pyarrow", hint="install pyarrow, or use other data") from error
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name} is not a whole Parquet file: {error}") from error


def _check_columns(file: ParquetFile, spec: ParquetData, name: str) -> None:
    schema = file.schema_arrow
    missing = [column for column in (spec.image_column, spec.label_column) if column not in schema.names]
    if missing:
        raise DataError(
            f"{name} has no column {missing[0]!r}; it has {', '.join(schema.names)}",
            hint="set data.image_column and data.label_column",
        )
    kind = schema.field(spec.image_column).type
    if "bytes" not in {kind.field(index).name for index in range(kind.num_fields)}:
        raise DataError(f"column {spec.image_column!r} of {name} is {kind}, not a structure with the field 'bytes'")
