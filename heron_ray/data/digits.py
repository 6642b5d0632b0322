"""scikit-learn's handwritten digits: 1,797 real images of 8x8 pixels in 17 grey levels."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import math
from pathlib import Path

import numpy as np
import torch

from heron_ray.data.dataset import Dataset, Split
from heron_ray.errors import DataError
from heron_ray.spec.data import DigitsData

_SPLIT_SEED = 20_240_601
_CUTS = (1077, 1077 + 360)


def load_digits(spec: DigitsData, seed: int) -> Dataset:
    """Load the digits, always split in the same way.

    The file is read where scikit-learn keeps it, without importing scikit-learn, which takes seconds.

    Args:
        spec: The section that asks for them, with the imbalance of the training samples.
        seed: Not used: the split is fixed, so that results of different experiments can be compared.

    Returns:
        1,077 training samples or, with an imbalance, fewer; 360 validation and 360 test samples; of shape [64], grey levels
        scaled to 0 to 1.

    Raises:
        DataError: scikit-learn is not installed.
    """
    rows = _rows()
    x = torch.from_numpy(rows[:, :-1] / np.float32(16))
    y = torch.from_numpy(rows[:, -1].astype(np.int64))
    order = np.random.Generator(np.random.SFC64(_SPLIT_SEED)).permutation(len(y))
    train, validation, test = (Split(x=x[rows], y=y[rows]) for rows in np.split(order, _CUTS))
    if spec.imbalance > 1:
        train = _thinned(train, spec.imbalance)
    return Dataset(train=train, validation=validation, test=test, classes=10, input_shape=(64,))


def _thinned(split: Split, imbalance: float) -> Split:
    """The first samples of each class c, a share of imbalance^(-c / 9) of them rounded up, in the order they had."""
    kept = []
    for digit in range(10):
        rows = torch.nonzero(split.y == digit).flatten()
        kept.append(rows[: math.ceil(len(rows) * imbalance ** (-digit / 9))])
    rows = torch.cat(kept).sort().values
    return Split(x=split.x[rows], y=split.y[rows])


@functools.cache
def _rows() -> np.ndarray:
    """digits.csv.gz: per line 64 grey levels from 0 to 16 and the digit; half a megabyte, read once in a process.

    Reading takes 30 ms, which a driver would spend on each of many short trials.
    """
    found = importlib.util.find_spec("sklearn")
    path = Path(found.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if found is not None else None
    if path is None or not path.is_file():
        raise DataError("data.kind=digits needs scikit-learn", hint="install scikit-learn, or use synthetic data")
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = np.loadtxt(file.readlines(), delimiter=",", dtype=np.float32)
    rows.flags.writeable = False
    return rows
