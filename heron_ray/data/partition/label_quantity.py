"""label_quantity: client i holds class i mod C and c - 1 others, drawn at random; a class is divided evenly among its clients.

"Quantity-based label imbalance", #C = c, of Li et al. (NIID-Bench, arXiv 2102.02079). Classes have different numbers
of clients, so clients' sizes differ, too.
"""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.data.partition.pools import class_pools, deal_classes, holders_of
from heron_ray.errors import DataError
from heron_ray.spec.partition import LabelQuantityPartition


def draw_classes(spec: LabelQuantityPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Who owns each sample, shape [n]. Raises DataError where classes, clients and samples do not go together."""
    pools = class_pools(labels, generator)
    if (fault := spec.fault(clients, len(pools))) is not None:
        raise DataError(f"partition.{fault[0]}: {fault[1]}")
    held = np.empty((clients, spec.classes), dtype=np.int64)
    for client in range(clients):
        first = client % len(pools)
        others = generator.permutation(len(pools) - 1)[: spec.classes - 1]
        held[client] = [first, *(others + (others >= first))]
    return deal_classes(pools, holders_of(held, len(pools)), len(labels))
