"""mixed: groups of clients, each with a partitioner of its own.

The samples are divided over the groups at random, in proportion to their numbers of clients, and within a group by its
partitioner. Groups follow one another in the numbers of the clients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.errors import DataError
from heron_ray.spec.partition import DealtPartition, MixedPartition

Deal = Callable[[DealtPartition, Indices, int, np.random.Generator], Indices]


def divide_groups(spec: MixedPartition, labels: Indices, clients: int, generator: np.random.Generator, deal: Deal) -> Indices:
    """Who owns each sample, shape [n].

    Args:
        spec: The groups.
        labels: The samples' classes, shape [n].
        clients: Number of clients N.
        generator: The only source of randomness.
        deal: Divides a group's samples: who of the group owns each; its number of clients where nobody does.

    Raises:
        DataError: A group cannot be divided as it should; the message names it.
    """
    if (fault := spec.fault(clients, len(np.unique(labels)))) is not None:
        raise DataError(f"partition.{fault[0]}: {fault[1]}")
    counts = spec.counts(clients)
    ends = np.cumsum(counts)
    order = generator.permutation(len(labels))
    owners = np.full(len(labels), clients, dtype=np.int64)
    groups = np.split(order, ends[:-1] * len(labels) // clients)
    for number, (part, count, end, group) in enumerate(zip(spec.parts, counts, ends, groups, strict=True)):
        group.sort()
        try:
            own = deal(part.partition, labels[group], count, generator)
        except DataError as error:
            raise DataError(f"partition.parts.{number}: {error.message}", hint=error.hint) from error
        owners[group] = np.where(own < count, end - count + own, clients)
    return owners
