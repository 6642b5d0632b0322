"""What `heron fetch` writes below HERON_DATA_DIR: files that `data.kind` parquet, text and e2e_nlg read.

All of it is written into a folder beside the wanted one and put in its place when it is whole.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError
from heron_ray.spec.text import E2eNlgData

SHARD_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was written.

    Attributes:
        folder: The folder.
        train: Training samples (texts, pairs) in it.
        test: Test samples in it.
        section: The `data` section of a spec that reads it.
    """

    folder: Path
    train: int
    test: int
    section: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"folder": str(self.folder), "train": self.train, "test": self.test, "data": self.section}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """An image on its way to a shard.

    Attributes:
        data: The bytes of a PNG or JPEG file.
        label: Its class.
        client: Who made it, where that is asked for.
    """

    data: bytes
    label: int
    client: str | int | None = None


def new_data_folder(relative: str) -> Path:
    """Where what is fetched will lie. Asked before anything is downloaded.

    Raises:
        DataError: HERON_DATA_DIR names no folder, or there is something at that place already.
    """
    return DataDirectory.from_environment("what is fetched is put below the folder").new_folder(relative)


def write_splits(section: dict[str, Any], write: Callable[[Path, str], int]) -> Fetched:
    """Write both splits into a folder that is there when all went well, and else is not.

    Args:
        section: The `data` section that will read it; its path is the folder's.
        write: Writes a split into a folder, and says how many samples it has.

    Raises:
        DataError: The folder is there already or cannot be written, or `write` raised it.
    """
    folder = new_data_folder(section["path"])
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        train, test = (write(partial, split) for split in ("train", "test"))
        partial.rename(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}", hint="free disk space, or set HERON_DATA_DIR") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Fetched(folder=folder, train=train, test=test, section=section)


def write_images(folder: Path, split: str, images: Iterable[LabelledImage]) -> int:
    """Write shards in Hugging Face's layout: an image column {bytes, path}, a label column and, where there are, clients.

    Args:
        folder: Where to.
        split: `train` or `test`.
        images: In their order.

    Returns:
        How many.
    """
    rows: list[LabelledImage] = []
    count = shard = 0
    for image in images:
        rows.append(image)
        if len(rows) == SHARD_ROWS:
            _write_shard(folder / f"{split}-{shard:05d}.parquet", rows)
            count, shard, rows = count + len(rows), shard + 1, []
    if rows:
        _write_shard(folder / f"{split}-{shard:05d}.parquet", rows)
    return count + len(rows)


def as_png(image: Any) -> bytes:
    """A Pillow image as a PNG file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def write_texts(folder: Path, split: str, texts: Iterable[str]) -> int:
    """Write texts into one UTF-8 file, an empty line after each. Returns how many."""
    count = 0
    with (folder / f"{split}.txt").open("w", encoding="utf-8") as file:
        for text in texts:
            file.write(text.rstrip("\n") + "\n\n")
            count += 1
    return count


def write_pairs(folder: Path, split: str, pairs: Iterable[tuple[str, str]]) -> int:
    """Write pairs of what is given and what is to be said, as E2E NLG's own CSV has them. Returns how many."""
    count = 0
    with (folder / getattr(E2eNlgData(kind="e2e_nlg"), split)).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("mr", "ref"))
        for pair in pairs:
            writer.writerow(pair)
            count += 1
    return count


def _write_shard(path: Path, rows: list[LabelledImage]) -> None:
    import pyarrow
    from pyarrow import parquet

    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = {
        "image": pyarrow.array([{"bytes": row.data, "path": None} for row in rows], image),
        "label": pyarrow.array([row.label for row in rows], pyarrow.int64()),
    }
    if rows[0].client is not None:
        columns["client"] = pyarrow.array([row.client for row in rows])
    parquet.write_table(pyarrow.table(columns), path)
