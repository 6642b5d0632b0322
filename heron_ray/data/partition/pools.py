"""The samples of each class in random order, and how they are dealt to the clients that hold the class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_ray.data.partition.assignment import Indices, Shares
from heron_ray.errors import DataError


def class_pools(labels: Indices, generator: np.random.Generator) -> list[Indices]:
    """The indices of each class that occurs, in random order; classes ascend."""
    by_class = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[by_class])) + 1
    return [generator.permutation(pool) for pool in np.split(by_class, starts)]


def even_sizes(samples: int, clients: int) -> Indices:
    """Sizes [N] that add up to `samples` and differ by at most one, the larger ones first."""
    each, more = divmod(samples, clients)
    return each + (np.arange(clients) < more)


def apportion(weights: Shares, total: int, minimum: int) -> Indices:
    """Whole numbers in proportion to weights: `total` in all, none below `minimum`, by the largest remainders.

    Whoever would get less than `minimum` gets that, and the others share the rest in proportion.

    Args:
        weights: At least 0, shape [N]; their sum is above 0.
        total: At least N * minimum.
        minimum: At least 0.

    >>> apportion(np.array([1.0, 2.0, 7.0, 0.0]), 11, 1).tolist()
    [1, 2, 7, 1]
    """
    poor = np.zeros(len(weights), dtype=bool)
    while True:
        rest = np.where(poor, 0.0, weights)
        shares = np.where(poor, float(minimum), (total - minimum * int(poor.sum())) * rest / (rest.sum() or 1.0))
        poorer = ~poor & (shares < minimum)
        if not poorer.any():
            break
        poor |= poorer
    counts = np.floor(shares).astype(np.int64)
    missing = total - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:missing]] += 1
    return counts


def deal_classes(pools: Sequence[Indices], holders: Sequence[Indices], samples: int) -> Indices:
    """Divide each class evenly among the clients that hold it.

    Args:
        pools: The samples of each class, in random order.
        holders: The clients that hold each class; at least one.
        samples: Number of samples n.

    Returns:
        Who owns each sample, shape [n].

    Raises:
        DataError: A class has more clients than samples.
    """
    owners = np.empty(samples, dtype=np.int64)
    for number, (pool, clients) in enumerate(zip(pools, holders, strict=True)):
        if len(clients) > len(pool):
            raise DataError(
                f"{len(clients)} clients cannot share the {len(pool)} training samples of class number {number}",
                hint="lower clients.count or the classes per client, or use more data",
            )
        owners[pool] = np.repeat(clients, even_sizes(len(pool), len(clients)))
    return owners


def holders_of(held: Indices, classes: int) -> list[Indices]:
    """The clients that hold each class, ascending, from the classes that each client holds, shape [N, c]."""
    order = np.argsort(held, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(held.ravel(), minlength=classes))
    return np.split(order // held.shape[1], ends[:-1])
