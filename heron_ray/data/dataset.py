"""What a data set is, once loaded: three splits of samples and labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heron_ray.errors import DataError

IGNORED = -100
"""The label of a token that is not to be predicted: what torch's cross-entropy leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Samples and their labels.

    Args:
        x: Samples, float32, shape [n, *input_shape]; or sequences of tokens, int64, shape [n, L].
        y: Labels, int64, shape [n]; of sequences the next tokens [n, L], `IGNORED` where there is nothing to predict.

    Raises:
        DataError: The two do not fit together.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        """Refuse what no model could be trained on."""
        if self.is_text:
            if self.x.ndim != 2 or self.x.shape != self.y.shape or self.y.dtype != torch.int64 or len(self.y) == 0:
                raise DataError(f"tokens of shape {tuple(self.x.shape)} do not fit labels of shape {tuple(self.y.shape)}")
            return
        if self.x.dtype != torch.float32 or self.y.dtype != torch.int64:
            raise DataError(f"samples must be float32 and labels int64, not {self.x.dtype} and {self.y.dtype}")
        if self.y.ndim != 1 or self.x.ndim < 2 or len(self.x) != len(self.y) or len(self.y) == 0:
            raise DataError(
                f"samples of shape {tuple(self.x.shape)} do not fit labels of shape {tuple(self.y.shape)}: "
                "[n, ...] and [n] with n of at least 1 are needed"
            )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.y)

    @property
    def is_text(self) -> bool:
        """Whether samples are sequences of tokens."""
        return self.x.dtype == torch.int64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Three splits. Clients hold `train`; choices are made on `validation`; `test` is for reporting only.

    Args:
        train: Training samples.
        validation: Samples for stopping, tuning and choosing.
        test: Samples for the final figures.
        classes: Number of classes; labels are 0 to classes - 1.
        input_shape: Shape of one sample.
        makers: The number of who made each training sample, int64, shape [n], without gaps from 0; None where nobody says so.

    Raises:
        DataError: A split has samples of another shape or labels out of range.
    """

    train: Split
    validation: Split
    test: Split
    classes: int
    input_shape: tuple[int, ...]
    makers: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Check every split against the shape and the classes."""
        for name, split in self.splits().items():
            if tuple(split.x.shape[1:]) != self.input_shape:
                raise DataError(f"{name} samples have shape {tuple(split.x.shape[1:])}, not {self.input_shape}")
            counted = split.y[split.y != IGNORED] if split.is_text else split.y
            numbers = torch.cat([counted, split.x.flatten()]) if split.is_text else counted
            lowest, highest = int(numbers.min()), int(numbers.max())
            if lowest < 0 or highest >= self.classes:
                raise DataError(f"{name} labels span {lowest} to {highest}, but there are {self.classes} classes")

    @property
    def is_text(self) -> bool:
        """Whether samples are sequences of tokens."""
        return self.train.is_text

    @property
    def labels(self) -> NDArray[np.int64]:
        """The training samples' labels, int64, shape [n]. Sequences of text have none: all of them are of one kind, 0."""
        return np.zeros(len(self.train), dtype=np.int64) if self.is_text else self.train.y.numpy()

    @property
    def label_count(self) -> int:
        """How many labels there are."""
        return 1 if self.is_text else self.classes

    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def fingerprint(self) -> str:
        """SHA-256 over the shapes and bytes of every split, as 64 hexadecimal digits."""
        digest = hashlib.sha256(f"classes={self.classes}".encode())
        for name, split in self.splits().items():
            for tensor in (split.x, split.y):
                digest.update(f";{name}:{tuple(tensor.shape)}:".encode())
                digest.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
        return digest.hexdigest()
