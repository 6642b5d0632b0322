"""Data sets by their names on the Hugging Face hub, through the `datasets` package; a path of a folder works as well.

The package runs no code of a data set (from version 4 on). What it downloads it keeps in its own cache.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from heron_ray.data.fetched import (
    Fetched,
    LabelledImage,
    as_png,
    new_data_folder,
    write_images,
    write_pairs,
    write_splits,
    write_texts,
)
from heron_ray.errors import DataError, MissingToolError

_READABLE: Final = ("PNG", "JPEG")

Splits: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """What to ask the hub for.

    Attributes:
        name: Such as `uoft-cs/cifar10`.
        config: Which of its configurations; None: the only one.
        train: Its training split, with `datasets`' own signs for a part of it: `train`, `train[:90%]`.
        test: Its test split.
    """

    name: str
    config: str | None = None
    train: str = "train"
    test: str = "test"


def fetch_images(
    asked: HubName, relative: str, *, image: str | None = None, label: str | None = None, client: str | None = None
) -> Fetched:
    """Bring images and labels below HERON_DATA_DIR. PNG and JPEG files stay as they are; others become PNG.

    Args:
        asked: Which data set.
        relative: The new folder, below HERON_DATA_DIR.
        image: Column of the images; None: the only one that holds images.
        label: Column of the labels; None: the only one that holds classes.
        client: Column that says who made an image, if any.

    Raises:
        DataError: The data set cannot be had, or has not these columns; or the folder cannot be written.
        MissingToolError: `datasets` is not installed.
    """
    splits = _load(asked, relative)
    from datasets import ClassLabel, Image

    features = splits["train"].features
    image = _column(asked, features, image, Image, "--image")
    label = _column(asked, features, label, ClassLabel, "--label")
    if client is not None:
        _column(asked, features, client, object, "--client")

    def rows(split: str) -> Iterator[LabelledImage]:
        wanted = splits[split].select_columns([column for column in (image, label, client) if column is not None])
        for number, row in enumerate(wanted.cast_column(image, Image(decode=False))):
            where = f"{asked.name}, {split}, row {number}"
            if not isinstance(row[label], int) or row[label] < 0:
                raise DataError(f"{where} has the label {row[label]!r}, not a class", hint="name another column: --label")
            yield LabelledImage(
                data=_readable(row[image], where), label=row[label], client=None if client is None else row[client]
            )

    first = _first_picture(asked, splits["train"], image)
    kind = features[label]
    section = {
        "kind": "parquet",
        "path": relative,
        "classes": kind.num_classes if isinstance(kind, ClassLabel) else max(splits["train"][label]) + 1,
        "height": first.height,
        "width": first.width,
        "channels": 1 if first.mode in ("1", "L") else 3,
        **({} if client is None else {"client_column": "client"}),
    }
    return write_splits(section, lambda folder, split: write_images(folder, split, rows(split)))


def fetch_texts(asked: HubName, relative: str, *, text: str) -> Fetched:
    """Bring the texts of one column below HERON_DATA_DIR. Raises as `fetch_images` does."""
    splits = _load(asked, relative)
    _column(asked, splits["train"].features, text, object, "--text")
    section = {"kind": "text", "path": relative}
    return write_splits(section, lambda folder, split: write_texts(folder, split, map(str, splits[split][text])))


def fetch_pairs(asked: HubName, relative: str, *, given: str, wanted: str) -> Fetched:
    """Bring pairs of two columns below HERON_DATA_DIR, as E2E NLG's own files have them. Raises as `fetch_images` does."""
    splits = _load(asked, relative)
    for column in (given, wanted):
        _column(asked, splits["train"].features, column, object, "--pairs")

    def pairs(split: str) -> Iterator[tuple[str, str]]:
        return zip(map(str, splits[split][given]), map(str, splits[split][wanted]), strict=True)

    section = {"kind": "e2e_nlg", "path": relative}
    return write_splits(section, lambda folder, split: write_pairs(folder, split, pairs(split)))


def _load(asked: HubName, relative: str) -> Splits:
    new_data_folder(relative)
    try:
        import datasets
    except ImportError as error:
        raise MissingToolError(
            f"names of the hub need the package datasets, which cannot be imported: {error}",
            hint="install it: pip install 'heron-ray[hub]'",
        ) from None
    try:
        return {
            "train": datasets.load_dataset(asked.name, asked.config, split=asked.train),
            "test": datasets.load_dataset(asked.name, asked.config, split=asked.test),
        }
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{asked.name} cannot be had from the hub: {error}",
            hint="with no network, fetch it on a machine that has one and copy the folder below HERON_DATA_DIR; "
            "else look at the name, --config, --train and --test",
        ) from error


def _column(asked: HubName, features: Any, chosen: str | None, kind: type, option: str) -> str:
    """The column that was named, or the only one of a kind."""
    found = [chosen] if chosen in features else [name for name in features if isinstance(features[name], kind)]
    if len(found) == 1 and chosen in (None, found[0]):
        return str(found[0])
    wanted = f"no column {chosen!r}" if chosen is not None else f"{len(found) or 'no'} columns that could be meant"
    raise DataError(f"{asked.name} has {wanted}; its columns are {', '.join(features)}", hint=f"name one of them: {option}")


def _first_picture(asked: HubName, split: Any, column: str) -> Any:
    """An image of a column, also where it is plain bytes and paths."""
    from datasets import Image

    try:
        return split.cast_column(column, Image())[0][column]
    except (OSError, TypeError, ValueError) as error:
        message = f"column {column!r} of {asked.name} holds no images: {error}"
        raise DataError(message, hint="name another one: --image") from error


def _readable(image: dict[str, Any], where: str) -> bytes:
    """The bytes of an image's file, as PNG where it is of a kind that is not read."""
    from PIL import Image

    try:
        data: bytes = image["bytes"] if image["bytes"] is not None else Path(image["path"]).read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            return data if opened.format in _READABLE else as_png(opened)
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{where} is no whole image: {error}") from error
