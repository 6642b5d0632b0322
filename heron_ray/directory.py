"""The folder that HERON_DATA_DIR names: the only place that data sets, tokenizers and pretrained models are read from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from heron_ray.errors import DataError

VARIABLE = "HERON_DATA_DIR"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A folder of data sets. A spec may come from a stranger, so nothing outside of it is ever opened.

    Args:
        root: The folder, with links resolved.
    """

    root: Path

    @classmethod
    def from_environment(cls, needed_by: str = "data.path is a folder below the one") -> DataDirectory:
        """The folder that HERON_DATA_DIR names. Raises DataError where it names none, with the words who needs it."""
        value = os.environ.get(VARIABLE, "")
        if not value:
            raise DataError(
                f"{needed_by} that {VARIABLE} names, but {VARIABLE} is not set",
                hint=f"set {VARIABLE} to the folder of your data sets, for a service before it is started",
            )
        root = Path(value).expanduser().resolve()
        if not root.is_dir():
            raise DataError(f"{VARIABLE} names {value!r}, which is not a folder")
        return cls(root)

    def folder(self, relative: str) -> Path:
        """The folder at a relative path. Raises DataError where there is none."""
        path = self._confine(self.root / relative)
        try:
            if path.is_dir():
                return path
        except OSError as error:
            raise DataError(f"the folder {relative!r} in {VARIABLE} cannot be opened: {error.strerror}") from error
        raise DataError(f"there is no folder {relative!r} in {VARIABLE}={self.root}")

    def new_folder(self, relative: str) -> Path:
        """Where a folder can be made. Raises DataError where something lies there already, or it would lie elsewhere."""
        path = self._confine(self.root / relative)
        if path == self.root or path.exists():
            raise DataError(f"{relative!r} in {VARIABLE}={self.root} is there already", hint="remove it, or name a new folder")
        return path

    def text(self, relative: str, *, limit_bytes: int = 16 * 2**20) -> str:
        """The text of the file at a relative path. Raises DataError where there is none, or it is too large or no UTF-8."""
        path = self._confine(self.root / relative)
        try:
            if not path.is_file():
                raise DataError(f"there is no file {relative!r} in {VARIABLE}={self.root}")
            if path.stat().st_size > limit_bytes:
                raise DataError(f"{relative!r} in {VARIABLE} has more than {limit_bytes:,} bytes")
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the file {relative!r} in {VARIABLE} cannot be read: {error}") from error

    def files(self, folder: Path, pattern: str) -> list[Path]:
        """The files in `folder` whose names match, in the order of their names. Raises DataError where there are none."""
        try:
            found = sorted(folder.glob(pattern))
        except (ValueError, IndexError) as error:
            raise DataError(f"{pattern!r} is not a pattern of file names", hint="such as train-*.parquet") from error
        paths = [self._confine(path) for path in found if path.is_file()]
        if not paths:
            raise DataError(f"no file matches {pattern!r} in {self.name(folder)}")
        return paths

    def name(self, path: Path) -> str:
        """How messages name a file: its path below the folder."""
        return path.relative_to(self.root).as_posix()

    def _confine(self, path: Path) -> Path:
        resolved = path.resolve()
        if not resolved.is_relative_to(self.root):
            # A path that was absolute has lost the folder on its way here.
            shown = path.relative_to(self.root) if path.is_relative_to(self.root) else path
            raise DataError(
                f"{shown.as_posix()!r} leads out of {VARIABLE}",
                hint="a link must end below the folder it starts from; move or copy the data there",
            )
        return resolved
