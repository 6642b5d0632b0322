"""pathological: every client holds c classes, and the numbers of clients that hold a class differ by at most one.

Client after client takes the c classes that have the fewest clients so far, at random among equals. A class is divided evenly
among its clients.
"""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.data.partition.pools import class_pools, deal_classes, holders_of
from heron_ray.errors import DataError
from heron_ray.spec.partition import PathologicalPartition


def deal_few_classes(spec: PathologicalPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Who owns each sample, shape [n]. Raises DataError where classes, clients and samples do not go together."""
    pools = class_pools(labels, generator)
    if (fault := spec.fault(clients, len(pools))) is not None:
        raise DataError(f"partition.{fault[0]}: {fault[1]}")
    taken = np.zeros(len(pools))
    held = np.empty((clients, spec.classes), dtype=np.int64)
    for client in range(clients):
        held[client] = np.argsort(taken + generator.random(len(pools)))[: spec.classes]
        taken[held[client]] += 1
    return deal_classes(pools, holders_of(held, len(pools)), len(labels))
