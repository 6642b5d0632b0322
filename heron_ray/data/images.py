"""From image files to a data set: which images are used, how one is decoded and how its pixels become numbers.

x = (p / 255 - mean) / std         p: 8-bit pixels;  x: float32, shape [n, channels, height, width]
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from heron_ray.data.dataset import Dataset, Split
from heron_ray.errors import DataError, ExhaustedMemoryError
from heron_ray.spec.data import EncodedImageFiles, ImageFiles

_CHOICE_SEED = 20_240_601
_PILLOW_MODES = {1: "L", 3: "RGB"}

Pixels: TypeAlias = NDArray[np.uint8]


class ImageSource(Protocol):
    """The images of one or several files, decoded only when read.

    Attributes:
        name: How messages name the files.
    """

    name: str

    def __len__(self) -> int:
        """Number of images."""
        ...

    def read(self, rows: NDArray[np.int64]) -> Iterator[tuple[Pixels, int]]:
        """Pixels [channels, height, width] and label of each of `rows`, which ascend. Raises DataError."""
        ...


def assemble(spec: ImageFiles, train: ImageSource, test: ImageSource) -> Dataset:
    """Choose and read the images that a spec asks for.

    Args:
        spec: The section.
        train: The training files; a share of what is used of them becomes the validation split.
        test: The test files.

    Raises:
        DataError: There are fewer images than asked for, or one of them is corrupt or not what the spec says.
        ExhaustedMemoryError: The images do not fit into memory.
    """
    used, held_out = _choose_training(spec, train)
    x, y = _read(spec, train, used)
    x_test, y_test = _read(spec, test, _choose(test, spec.test_samples, "test_samples"))
    return Dataset(
        train=Split(x=x[held_out:], y=y[held_out:]),
        validation=Split(x=x[:held_out], y=y[:held_out]),
        test=Split(x=x_test, y=y_test),
        classes=spec.classes,
        input_shape=spec.input_shape,
    )


def training_rows(spec: ImageFiles, train: ImageSource) -> NDArray[np.int64]:
    """The rows of the training files that clients hold, in the order of the training samples. Raises DataError."""
    used, held_out = _choose_training(spec, train)
    return used[held_out:]


def decode_image(data: bytes, spec: EncodedImageFiles, where: str) -> Pixels:
    """The pixels of a PNG or JPEG file, uint8, shape [channels, height, width].

    Args:
        data: The file's bytes.
        spec: What the image must be, and whether it is converted where it is not.
        where: How messages name the image.

    Raises:
        DataError: Pillow is not installed; the image is corrupt or not what the spec says.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("image files need Pillow", hint="install pillow, or use other data") from error
    size, mode = (spec.width, spec.height), _PILLOW_MODES[spec.channels]
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            _check_image(image.size, image.mode, spec, where)
            fitted = image.convert(mode)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{where} is not a whole PNG or JPEG image: {error}") from error
    if fitted.size != size:
        fitted = fitted.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(spec.height, spec.width, spec.channels).transpose(2, 0, 1)


def check_label(label: object, classes: int, where: str) -> int:
    """A label as a number from 0 to classes - 1. Raises DataError naming `where`."""
    if not isinstance(label, int) or not 0 <= label < classes:
        raise DataError(
            f"{where} has the label {label!r}, but data.classes={classes} allows 0 to {classes - 1}",
            hint="set data.classes to the number of classes of the data set, or mend the file",
        )
    return label


def _check_image(size: tuple[int, int], mode: str, spec: EncodedImageFiles, where: str) -> None:
    """Refuse an image that is not what the spec says, before its pixels are decoded."""
    if mode.startswith(("I", "F")):
        raise DataError(f"{where} has more than 8 bits per channel (mode {mode}); only 8-bit images are read")
    if spec.convert:
        return
    if size != (spec.width, spec.height):
        raise DataError(
            f"{where} is {size[1]}x{size[0]} pixels (height x width), but the spec says {spec.height}x{spec.width}",
            hint="set data.height and data.width, or data.convert=true to resize what differs",
        )
    if mode not in (("L", "1") if spec.channels == 1 else ("RGB", "P")):
        raise DataError(
            f"{where} has the colour mode {mode}, but data.channels={spec.channels}",
            hint="set data.channels (3 for RGB, 1 for grey), or data.convert=true to convert what differs",
        )


def _choose_training(spec: ImageFiles, train: ImageSource) -> tuple[NDArray[np.int64], int]:
    """The rows of the training files to use, in random order, and how many of them, from the first, are held out."""
    used = _choose(train, spec.train_samples, "train_samples")
    held_out = max(1, round(spec.validation * len(used)))
    if held_out >= len(used):
        raise DataError(
            f"data.validation={spec.validation:g} of {len(used)} training images leaves none to train on",
            hint="lower data.validation or use more images",
        )
    return used, held_out


def _choose(source: ImageSource, wanted: int | None, field: str) -> NDArray[np.int64]:
    """The rows to use, in random order. A larger choice begins with the smaller one."""
    if wanted is not None and wanted > len(source):
        raise DataError(f"data.{field}={wanted}, but {source.name} hold {len(source)} images", hint=f"lower data.{field}")
    order = np.random.Generator(np.random.SFC64(_CHOICE_SEED)).permutation(len(source))
    return order[:wanted]


def _read(spec: ImageFiles, source: ImageSource, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and labels of `rows`, in their order."""
    shape = (len(rows), *spec.input_shape)
    try:
        x, y = np.empty(shape, dtype=np.float32), np.empty(len(rows), dtype=np.int64)
    except MemoryError as error:
        size_bytes = 4 * int(np.prod(shape, dtype=np.float64))
        raise ExhaustedMemoryError(
            f"{len(rows)} images of shape {spec.input_shape} need {size_bytes / 2**30:.1f} GiB",
            hint="lower data.train_samples or data.test_samples",
        ) from error
    order = np.argsort(rows)
    for place, (pixels, label) in zip(order, source.read(rows[order]), strict=True):
        x[place], y[place] = pixels, label
    mean, std = (np.asarray(constants, dtype=np.float32).reshape(-1, 1, 1) for constants in (spec.mean, spec.std))
    x /= np.float32(255)
    x -= mean
    x /= std
    return torch.from_numpy(x), torch.from_numpy(y)
