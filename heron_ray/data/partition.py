"""Partitioners: which client holds which training samples.

    iid                     a random permutation, cut into N pieces whose sizes differ by at most one
    dirichlet, per_class    for each class c: p_c ~ Dir(alpha * 1_N), and client i gets a share p_c[i] of the class (LDA;
                            Hsu et al. 2019, arXiv:1909.06335; Yurochkin et al. 2019, arXiv:1905.12022), without the
                            rebalancing that some codes add; all is drawn again until every client has `minimum` samples
    dirichlet, per_client   client after client: p_i ~ Dir(alpha * 1_C) over the classes, floor(n / N) samples drawn by it
                            without replacement; where a class has run out, p_i is renormalised over the others

where N is the number of clients, C of classes and n of samples.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from heron_ray.errors import DataError
from heron_ray.spec.partition import DirichletPartition, IidPartition, PartitionSpec

Indices: TypeAlias = NDArray[np.int64]
Shares: TypeAlias = NDArray[np.float64]

_MOST_DRAWS = 500


def partition(spec: PartitionSpec, labels: Indices, clients: int, seed: int) -> list[Indices]:
    """Divide the training samples over the clients.

    Args:
        spec: The law.
        labels: The samples' classes, int64, shape [n], from 0 upwards.
        clients: Number of clients N.
        seed: The only source of randomness; at least 0.

    Returns:
        For each client the sorted indices of its samples, int64; no sample is held twice. All samples are held, except
        under `per_client`, which leaves out the n mod N that would make sizes differ.

    Raises:
        DataError: There are more clients than samples, or no draw gave every client its minimum.

    >>> shards = partition(IidPartition(kind="iid"), np.zeros(10, dtype=np.int64), clients=3, seed=0)
    >>> [len(shard) for shard in shards]
    [4, 3, 3]
    """
    if not 1 <= clients <= len(labels):
        raise DataError(
            f"clients.count={clients} clients cannot share {len(labels)} training samples",
            hint="each needs at least one: lower clients.count or use more data",
        )
    generator = np.random.Generator(np.random.SFC64(seed))
    if isinstance(spec, IidPartition):
        shards = np.array_split(generator.permutation(len(labels)), clients)
    elif spec.law == "per_class":
        shards = _divide_classes(spec, labels, clients, generator)
    else:
        shards = _fill_clients(spec.alpha, labels, clients, generator)
    return [np.sort(shard).astype(np.int64, copy=False) for shard in shards]


def _divide_classes(spec: DirichletPartition, labels: Indices, clients: int, generator: np.random.Generator) -> list[Indices]:
    pools = _pools(labels, generator)
    totals = np.array([len(pool) for pool in pools])
    cuts = _draw_cuts(spec, totals, clients, generator)
    pieces = [np.split(pool, cuts[:-1]) for pool, cuts in zip(pools, cuts, strict=True)]
    return [np.concatenate(piece) for piece in zip(*pieces, strict=True)]


def _draw_cuts(spec: DirichletPartition, totals: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Where each client's piece of each class ends, drawn until every client has its minimum; shape [C, N]."""
    samples = int(totals.sum())
    for _ in range(_MOST_DRAWS if clients * spec.minimum <= samples else 0):
        shares = generator.dirichlet(np.full(clients, spec.alpha), size=len(totals))
        ends = np.minimum(np.cumsum(shares, axis=1), 1.0)
        ends[:, -1] = 1.0
        cuts = np.rint(ends * totals[:, None]).astype(np.int64)
        if np.diff(cuts, axis=1, prepend=0).sum(axis=0).min() >= spec.minimum:
            return cuts
    raise DataError(
        f"no Dirichlet split found of {samples} training samples that gives each of clients.count={clients} clients at "
        f"least partition.minimum={spec.minimum} at partition.alpha={spec.alpha:g}",
        hint="raise partition.alpha, lower partition.minimum or clients.count, or use partition.law=per_client",
    )


def _fill_clients(alpha: float, labels: Indices, clients: int, generator: np.random.Generator) -> list[Indices]:
    pools = _pools(labels, generator)
    left = np.array([len(pool) for pool in pools])
    size = len(labels) // clients
    shards = []
    for _ in range(clients):
        taken = _take(size, generator.dirichlet(np.full(len(pools), alpha)), left, generator)
        rest = left - taken
        shards.append(np.concatenate([pools[c][rest[c] : left[c]] for c in np.flatnonzero(taken)]))
        left = rest
    return shards


def _take(size: int, law: Shares, left: Indices, generator: np.random.Generator) -> Indices:
    """How many samples of each class, [C], a client draws by `law`, at most `left` of each; they add up to `size`.

    Draws that fall on a class that has run out are made again by the renormalised law: the same as drawing one by one.
    """
    taken = np.zeros_like(left)
    while (missing := size - int(taken.sum())) > 0:
        law = np.where(taken < left, law, 0.0)
        if law.sum() <= 0:
            law = (left - taken).astype(np.float64)
        law = law / law.sum()
        taken = np.minimum(taken + generator.multinomial(missing, law), left)
    return taken


def _pools(labels: Indices, generator: np.random.Generator) -> list[Indices]:
    """The indices of each class that occurs, in random order."""
    by_class = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[by_class])) + 1
    return [generator.permutation(pool) for pool in np.split(by_class, starts)]
