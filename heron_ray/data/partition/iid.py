"""iid: a random permutation, cut into N pieces whose sizes differ by at most one."""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.data.partition.pools import even_sizes
from heron_ray.spec.partition import IidPartition


def divide_evenly(spec: IidPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Who owns each sample, shape [n]."""
    owners = np.empty(len(labels), dtype=np.int64)
    owners[generator.permutation(len(labels))] = np.repeat(np.arange(clients), even_sizes(len(labels), clients))
    return owners
