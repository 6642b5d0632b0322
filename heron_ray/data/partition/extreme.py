"""extreme: one label per client as far as it goes.

With at least as many clients as classes, clients are shared out over the classes in proportion to their samples, at least one
each, and a class is divided evenly among its clients. With fewer clients, whole classes are: floor(C / N) or one more each.
"""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.data.partition.pools import apportion, class_pools, deal_classes
from heron_ray.spec.partition import ExtremePartition


def deal_one_label(spec: ExtremePartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Who owns each sample, shape [n]."""
    pools = class_pools(labels, generator)
    if clients < len(pools):
        holders = [np.array([number * clients // len(pools)]) for number in range(len(pools))]
    else:
        counts = apportion(np.array([len(pool) for pool in pools], dtype=np.float64), clients, 1)
        holders = np.split(np.arange(clients), np.cumsum(counts)[:-1])
    return deal_classes(pools, holders, len(labels))
