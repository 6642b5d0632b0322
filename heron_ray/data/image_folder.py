"""Folders of PNG or JPEG files, one subfolder per class; classes are numbered from 0 in the order of their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_ray.data.dataset import Dataset
from heron_ray.data.images import Pixels, assemble, decode_image, training_rows
from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError
from heron_ray.spec.data import ImageFolderData

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


def load_image_folder(spec: ImageFolderData, seed: int) -> Dataset:
    """Load the folders `train` and `test` of a data set.

    Args:
        spec: The section.
        seed: Not used: what is chosen and held out is the same for every experiment.

    Raises:
        DataError: A folder is missing, the classes do not agree, or an image is corrupt or not what the spec says.
    """
    directory = DataDirectory.from_environment()
    train = _FolderImages(directory, directory.folder(f"{spec.path}/{spec.train}"), spec, by_client=spec.client_folders)
    test = _FolderImages(directory, directory.folder(f"{spec.path}/{spec.test}"), spec, by_client=False)
    if train.classes != test.classes:
        odd = ", ".join(repr(name) for name in sorted(set(train.classes) ^ set(test.classes)))
        raise DataError(f"{train.name} and {test.name} do not have the same classes: only one of them has {odd}")
    dataset = assemble(spec, train, test)
    return dataset if train.makers is None else replace(dataset, makers=train.makers[training_rows(spec, train)])


class _FolderImages:
    """The files of one folder, class after class, each class (and client in it) in the order of the files' names.

    `makers` holds the number of the client that made each, in the ascending order of the clients' names; None if none is named.
    """

    def __init__(self, directory: DataDirectory, folder: Path, spec: ImageFolderData, *, by_client: bool) -> None:
        self.name = directory.name(folder)
        self._directory = directory
        self._spec = spec
        subfolders = _subfolders(folder)
        self.classes = tuple(path.name for path in subfolders)
        if len(self.classes) != spec.classes:
            raise DataError(
                f"{self.name} has {len(self.classes)} subfolders, but data.classes={spec.classes}: one per class is needed",
                hint="set data.classes to their number",
            )
        leaves = [
            (leaf, label)
            for label, subfolder in enumerate(subfolders)
            for leaf in (_subfolders(subfolder) if by_client else [subfolder])
        ]
        found = [(path, label, leaf.name) for leaf, label in leaves for path in _images(directory, leaf)]
        self._files = [(path, label) for path, label, _ in found]
        self.makers: NDArray[np.int64] | None = None
        if by_client:
            self.makers = np.unique([name for *_, name in found], return_inverse=True)[1].astype(np.int64)

    def __len__(self) -> int:
        return len(self._files)

    def read(self, rows: NDArray[np.int64]) -> Iterator[tuple[Pixels, int]]:
        """Decode the chosen files."""
        for row in rows:
            path, label = self._files[row]
            try:
                data = path.read_bytes()
            except OSError as error:
                raise DataError(f"{self._directory.name(path)} cannot be read: {error}") from error
            yield decode_image(data, self._spec, self._directory.name(path)), label


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(directory: DataDirectory, folder: Path) -> list[Path]:
    """The image files directly in a class's folder."""
    paths = [path for path in directory.files(folder, "*") if path.suffix.lower() in _SUFFIXES]
    if not paths:
        raise DataError(f"{directory.name(folder)} holds no .png, .jpg or .jpeg file")
    return paths
