"""Gaussian clusters, one per class: as many samples as wanted, for studies of scale and cost.

centre_c ~ N(0, I),   y ~ uniform over the classes,   x = centre_y + spread * e,   e ~ N(0, I)
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from heron_ray.data.dataset import Dataset, Split
from heron_ray.errors import ExhaustedMemoryError
from heron_ray.spec.data import SyntheticData


def make_clusters(spec: SyntheticData, seed: int) -> Dataset:
    """Draw a data set.

    Args:
        spec: Numbers of samples, features and classes, and the spread of a cluster.
        seed: The only source of randomness; at least 0.

    Returns:
        `spec.samples` training samples of the spec's shape, and for validation and test a tenth of that each, but at least 100
        and at most 10,000.

    Raises:
        ExhaustedMemoryError: The samples do not fit into memory.
    """
    generator = np.random.Generator(np.random.SFC64(seed))
    held_out = spec.held_out
    try:
        centres = generator.standard_normal((spec.classes, spec.features), dtype=np.float32)
        train, validation, test = (_draw(generator, centres, spec, n) for n in (spec.samples, held_out, held_out))
    except MemoryError as error:
        size_bytes = 4 * spec.features * (spec.samples + 2 * held_out + spec.classes)
        raise ExhaustedMemoryError(
            f"{spec.samples} synthetic samples of {spec.features} features need {size_bytes / 2**30:.1f} GiB",
            hint="lower data.samples or data.features",
        ) from error
    return Dataset(train=train, validation=validation, test=test, classes=spec.classes, input_shape=spec.input_shape)


def _draw(generator: np.random.Generator, centres: NDArray[np.float32], spec: SyntheticData, samples: int) -> Split:
    """`samples` points around centres of shape [classes, features], in the shape of the spec."""
    x = generator.standard_normal((samples, centres.shape[1]), dtype=np.float32)
    y = generator.integers(len(centres), size=samples)
    x *= np.float32(spec.spread)
    x += centres[y]
    return Split(x=torch.from_numpy(x.reshape(samples, *spec.input_shape)), y=torch.from_numpy(y))
