"""MNIST's IDX files: a magic number, the lengths of the axes (big-endian, 4 bytes each), then one byte per value."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_ray.data.dataset import Dataset
from heron_ray.data.images import Pixels, assemble, check_label
from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError
from heron_ray.spec.data import MnistData

_UNSIGNED_BYTES = 0x08


def load_mnist(spec: MnistData, seed: int) -> Dataset:
    """Load the four files of a data set in MNIST's form.

    Args:
        spec: The section.
        seed: Not used: what is chosen and held out is the same for every experiment.

    Raises:
        DataError: A file is missing, corrupt or not what the spec says.
    """
    directory = DataDirectory.from_environment()
    folder = directory.folder(spec.path)
    return assemble(spec, _IdxImages(directory, folder, "train", spec), _IdxImages(directory, folder, "t10k", spec))


class _IdxImages:
    """One file of images and one of labels."""

    def __init__(self, directory: DataDirectory, folder: Path, part: str, spec: MnistData) -> None:
        images = directory.files(folder, f"{part}-images[-.]idx3-ubyte*")[0]
        labels = directory.files(folder, f"{part}-labels[-.]idx1-ubyte*")[0]
        self.name, self._labels_name = directory.name(images), directory.name(labels)
        self._classes = spec.classes
        self._pixels, self._labels = _read_idx(images, self.name, axes=3), _read_idx(labels, self._labels_name, axes=1)
        if self._pixels.shape[1:] != (spec.height, spec.width):
            height, width = self._pixels.shape[1:]
            raise DataError(
                f"{self.name} holds images of {height}x{width} pixels, but the spec says {spec.height}x{spec.width}",
                hint="set data.height and data.width",
            )
        if len(self._pixels) != len(self._labels):
            raise DataError(
                f"{self.name} holds {len(self._pixels)} images, but {self._labels_name} holds {len(self._labels)} labels"
            )

    def __len__(self) -> int:
        return len(self._labels)

    def read(self, rows: NDArray[np.int64]) -> Iterator[tuple[Pixels, int]]:
        """The chosen rows."""
        for row in rows.tolist():
            label = check_label(int(self._labels[row]), self._classes, f"{self._labels_name}, row {row}")
            yield self._pixels[row][None], label


def _read_idx(path: Path, name: str, *, axes: int) -> Pixels:
    """The values of an IDX file of unsigned bytes."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            header = stream.read(4 + 4 * axes)
            if header[:4] != bytes((0, 0, _UNSIGNED_BYTES, axes)) or len(header) < 4 + 4 * axes:
                raise DataError(f"{name} is not an IDX file of bytes with {axes} axes: it begins with {header[:4].hex()!r}")
            shape = struct.unpack(f">{axes}I", header[4:])
            values = stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} cannot be read: {error}") from error
    if len(values) != math.prod(shape):
        held, row = min(len(values), math.prod(shape)), math.prod(shape[1:])
        ends = (
            f"ends in row {held // max(row, 1)}" if held < math.prod(shape) else f"goes on after row {shape[0] - 1}, its last"
        )
        raise DataError(f"{name} {ends}: its header announces {shape[0]} rows of {row} bytes")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)
