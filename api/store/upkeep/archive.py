"""The file of a backup: a ZIP of one JSON-lines member per table, and a manifest that says what must be in them.

A line is a JSON array, its values in the order of the manifest's `columns`; times are ISO 8601 in UTC. The same on every
database, so a backup of one kind can be restored into another. Nothing is executed on reading and nothing is unpickled;
reading takes the memory of one line.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from heron_ray.errors import BackupError

MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 1 << 20
# Far above the largest row that the service's limits on a request let in.
MOST_LINE_BYTES = 1 << 28


class TableEntry(BaseModel):
    """One table: its columns, and what its member must come to. `highest` is the highest number it has given to a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z_]{1,63}$")
    columns: tuple[str, ...]
    rows: int = Field(ge=0)
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    highest: int | None = Field(ge=0)

    @property
    def member(self) -> str:
        """Its name in the ZIP."""
        return f"{self.name}.jsonl"


class Manifest(BaseModel):
    """What a backup holds; `revision` is the schema revision of its tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["heron-ray backup"] = "heron-ray backup"
    version: Literal[1] = 1
    revision: str
    created_at: datetime
    heron_ray: str
    tables: tuple[TableEntry, ...]


def write_table(
    archive: zipfile.ZipFile, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, highest: int | None
) -> TableEntry:
    """Add a table's member; returns what the manifest says of it."""
    digest = hashlib.sha256()
    count = size_bytes = 0
    with archive.open(f"{name}.jsonl", "w", force_zip64=True) as member:
        for row in rows:
            line = json.dumps(list(row), separators=(",", ":"), default=_as_text).encode() + b"\n"
            member.write(line)
            digest.update(line)
            count += 1
            size_bytes += len(line)
    return TableEntry(
        name=name, columns=tuple(columns), rows=count, size_bytes=size_bytes, sha256=digest.hexdigest(), highest=highest
    )


def write_manifest(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Add the manifest, which is the last member."""
    archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))


class ArchiveReader:
    """A backup that is open for reading. Nothing it gives out is more than its manifest promises.

    Raises:
        BackupError: The file is missing, no backup, damaged, or of a newer format.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read its manifest."""
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as error:
            raise BackupError(f"cannot read {path}: {error.strerror or error}") from None
        except zipfile.BadZipFile:
            raise BackupError(
                f"{path} is no backup, or only a part of one", hint="use a file that heron db backup wrote"
            ) from None
        try:
            self.manifest = self._read_manifest()
        except BaseException:
            self._archive.close()
            raise

    def verify(self) -> None:
        """Read all of it once, and compare it with the manifest. Raises BackupError."""
        expected = sorted([MANIFEST, *(entry.member for entry in self.manifest.tables)])
        if sorted(self._archive.namelist()) != expected:
            raise self._damaged("its members are not those of its manifest")
        for entry in self.manifest.tables:
            for _ in self._lines(entry):
                pass

    def rows(self, entry: TableEntry) -> Iterator[list[Any]]:
        """The rows of a table, each compared with the manifest again: the last one comes only where all were right."""
        for line in self._lines(entry):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise self._damaged(f"{entry.member} is not JSON lines") from None
            if not isinstance(row, list) or len(row) != len(entry.columns):
                raise self._damaged(f"{entry.member} has a row that does not fit its columns")
            yield row

    def _lines(self, entry: TableEntry) -> Iterator[bytes]:
        digest = hashlib.sha256()
        count = size_bytes = 0
        with self._open(entry.member) as member:
            if self._archive.getinfo(entry.member).file_size != entry.size_bytes:
                raise self._damaged(f"{entry.member} is not as long as its manifest says")
            while line := self._readline(member, entry):
                digest.update(line)
                count += 1
                size_bytes += len(line)
                yield line
        if (count, size_bytes, digest.hexdigest()) != (entry.rows, entry.size_bytes, entry.sha256):
            raise self._damaged(f"{entry.member} does not have the digest that its manifest says")

    def _readline(self, member: IO[bytes], entry: TableEntry) -> bytes:
        try:
            line = member.readline(MOST_LINE_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise self._damaged(f"{entry.member}: {error}") from None
        if len(line) > MOST_LINE_BYTES:
            raise self._damaged(f"{entry.member} has a row of more than {MOST_LINE_BYTES:,} bytes")
        return line

    def _read_manifest(self) -> Manifest:
        with self._open(MANIFEST) as member:
            try:
                text = member.read(MOST_MANIFEST_BYTES + 1)
                if len(text) > MOST_MANIFEST_BYTES:
                    raise self._damaged("its manifest is too long")
                said = json.loads(text)
                if isinstance(said, dict) and said.get("format") == "heron-ray backup" and said.get("version") != 1:
                    raise BackupError(
                        f"{self._path} is a backup of format {said.get('version')}, which is unknown here",
                        hint="restore it with the heron-ray that wrote it, or a newer one",
                    )
                return Manifest.model_validate(said)
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
                reason = f"{error.error_count()} faults" if isinstance(error, ValidationError) else str(error)
                raise self._damaged(f"its manifest cannot be read: {reason}") from None

    def _open(self, member: str) -> IO[bytes]:
        try:
            return self._archive.open(member)
        except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise self._damaged(f"{member} cannot be read: {error}") from None

    def _damaged(self, what: str) -> BackupError:
        return BackupError(f"the backup {self._path} is damaged: {what}", hint="use another backup")

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Close."""
        self.close()


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a backup cannot hold a {type(value).__name__}")
