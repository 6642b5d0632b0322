"""Data sets as torchvision has them: downloaded by it and checked against its MD5 sums, or its own files in a folder.

CIFAR's archives hold pickles. torchvision reads a file only where its MD5 sum is the published one, and nothing else here
reads a pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from heron_ray.data.fetched import Fetched, LabelledImage, as_png, new_data_folder, write_images, write_splits
from heron_ray.errors import DataError

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
)
"""What can be asked for, and torchvision's class for it."""


def fetch_from_torchvision(name: str, relative: str, *, kept: Path | None = None) -> Fetched:
    """Bring one of `NAMES` below HERON_DATA_DIR, as PNG images in Parquet shards.

    Args:
        name: Which.
        relative: The new folder, below HERON_DATA_DIR.
        kept: A folder that holds torchvision's own files: nothing is downloaded then.

    Raises:
        DataError: The files cannot be had, or are not the published ones; or the folder cannot be written.
    """
    new_data_folder(relative)
    with TemporaryDirectory() as downloads:
        root = kept or Path(downloads)
        splits = {split: _open(name, root, is_train=split == "train", download=kept is None) for split in ("train", "test")}
    section = _section(relative, splits["train"])
    return write_splits(section, lambda folder, split: write_images(folder, split, _images(splits[split])))


def _open(name: str, root: Path, *, is_train: bool, download: bool) -> Any:
    from torchvision import datasets

    try:
        return getattr(datasets, NAMES[name])(root=root, train=is_train, download=download)
    except (OSError, RuntimeError) as error:
        where = "downloaded" if download else f"read from {root}"
        raise DataError(
            f"{name} cannot be {where}: {error}",
            hint="where there is no network, name a folder with torchvision's own files: --from DIR",
        ) from error


def _images(samples: Any) -> Iterator[LabelledImage]:
    for image, label in samples:
        yield LabelledImage(data=as_png(image), label=int(label))


def _section(relative: str, samples: Any) -> dict[str, Any]:
    """What a spec says of the images; mean and standard deviation are those of the training images."""
    pixels = np.asarray(samples.data)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    _, height, width, channels = pixels.shape
    # Channel by channel, from counts of the 256 grey levels: no copy of all pixels as floats.
    levels = np.arange(256) / 255
    counts = [np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(channels)]
    mean = [float(np.average(levels, weights=count)) for count in counts]
    std = [float(np.sqrt(np.average((levels - m) ** 2, weights=count))) for m, count in zip(mean, counts, strict=True)]
    return {
        "kind": "parquet",
        "path": relative,
        "classes": len(samples.classes),
        "height": height,
        "width": width,
        "channels": channels,
        "mean": [round(value, 4) for value in mean],
        "std": [round(value, 4) for value in std],
    }
