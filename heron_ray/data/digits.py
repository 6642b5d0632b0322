"""scikit-learn's handwritten digits: 1,797 real images of 8x8 pixels in 17 grey levels."""

from __future__ import annotations

import numpy as np
import torch

from heron_ray.data.dataset import Dataset, Split
from heron_ray.errors import DataError
from heron_ray.spec.data import DigitsData

_SPLIT_SEED = 20_240_601
_CUTS = (1077, 1077 + 360)


def load_digits(spec: DigitsData, seed: int) -> Dataset:
    """Load the digits, always split in the same way.

    Args:
        spec: The section that asks for them; it has no settings.
        seed: Not used: the split is fixed, so that results of different experiments can be compared.

    Returns:
        1,077 training, 360 validation and 360 test samples of shape [64], grey levels scaled to 0 to 1.

    Raises:
        DataError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError("data.kind=digits needs scikit-learn", hint="install scikit-learn, or use synthetic data") from error
    images, labels = datasets.load_digits(return_X_y=True)
    x = torch.from_numpy(np.asarray(images, dtype=np.float32) / np.float32(16))
    y = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    order = np.random.Generator(np.random.SFC64(_SPLIT_SEED)).permutation(len(y))
    train, validation, test = (Split(x=x[rows], y=y[rows]) for rows in np.split(order, _CUTS))
    return Dataset(train=train, validation=validation, test=test, classes=10, input_shape=(64,))
