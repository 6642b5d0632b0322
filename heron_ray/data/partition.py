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

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from heron_ray.errors import DataError
from heron_ray.spec.partition import DirichletPartition, IidPartition, PartitionSpec

Indices: TypeAlias = NDArray[np.int64]
Shares: TypeAlias = NDArray[np.float64]

_MOST_DRAWS = 500

_HOPELESS = 30
"""No draw follows one that left so many clients short. Clients fall short nearly independently of one another, so their number
is nearly Poisson: where one draw in 500 succeeds its mean is about 6, and 30 has a chance below 1e-11."""


@dataclass(frozen=True, slots=True, eq=False)
class Shards:
    """Which training samples each client holds: two flat arrays, however many clients there are.

    `shards[i]` is client i's shard, ascending; a view, made when it is asked for.

    Attributes:
        held: The indices of all held samples, int64, shape [m]: client after client, ascending within each.
        bounds: Where the clients' shards begin and end in `held`, int64, shape [N + 1].

    >>> shards = Shards.of(np.array([1, 0, 1, 2, 1]), clients=2)
    >>> len(shards), shards[1].tolist()
    (2, [0, 2, 4])
    """

    held: Indices
    bounds: Indices

    @classmethod
    def of(cls, owners: Indices, clients: int) -> Shards:
        """The shards that follow from who owns each sample, int64, shape [n]; nobody holds those of owner `clients`."""
        sizes = np.bincount(owners, minlength=clients)[:clients]
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        return cls(held=np.argsort(owners, kind="stable")[: bounds[-1]], bounds=bounds)

    @property
    def sizes(self) -> Indices:
        """The number of samples of each client, shape [N]."""
        return np.diff(self.bounds)

    def __len__(self) -> int:
        """Number of clients N."""
        return len(self.bounds) - 1

    def __getitem__(self, client: int) -> Indices:
        """The sample indices of one client, ascending. Raises IndexError for a number that no client has."""
        if not 0 <= client < len(self):
            raise IndexError(f"there is no client {client} among {len(self)}")
        return self.held[self.bounds[client] : self.bounds[client + 1]]


def partition(spec: PartitionSpec, labels: Indices, clients: int, seed: int) -> Shards:
    """Divide the training samples over the clients.

    Args:
        spec: The law.
        labels: The samples' classes, int64, shape [n], from 0 upwards.
        clients: Number of clients N.
        seed: The only source of randomness; at least 0.

    Returns:
        Who holds which samples; none is held twice. All samples are held, except under `per_client`, which leaves out the
        n mod N that would make sizes differ.

    Raises:
        DataError: There are more clients than samples, or no draw gave every client its minimum.

    >>> shards = partition(IidPartition(kind="iid"), np.zeros(10, dtype=np.int64), clients=3, seed=0)
    >>> shards.sizes.tolist()
    [4, 3, 3]
    """
    if not 1 <= clients <= len(labels):
        raise DataError(
            f"clients.count={clients} clients cannot share {len(labels)} training samples",
            hint="each needs at least one: lower clients.count or use more data",
        )
    generator = np.random.Generator(np.random.SFC64(seed))
    if isinstance(spec, IidPartition):
        owners = _divide_evenly(len(labels), clients, generator)
    elif spec.law == "per_class":
        owners = _divide_classes(spec, labels, clients, generator)
    else:
        owners = _fill_clients(spec.alpha, labels, clients, generator)
    return Shards.of(owners, clients)


def _divide_evenly(samples: int, clients: int, generator: np.random.Generator) -> Indices:
    each, more = divmod(samples, clients)
    owners = np.empty(samples, dtype=np.int64)
    owners[generator.permutation(samples)] = np.repeat(np.arange(clients), each + (np.arange(clients) < more))
    return owners


def _divide_classes(spec: DirichletPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Class after class, so that besides the owners only vectors of N numbers are held, drawn until every client has enough."""
    pools = _pools(labels, generator)
    owners = np.empty(len(labels), dtype=np.int64)
    short, draws = clients, 0
    while draws < _MOST_DRAWS and clients * spec.minimum <= len(labels) and (draws == 0 or short < _HOPELESS):
        sizes = np.zeros(clients, dtype=np.int64)
        for pool in pools:
            ends = np.minimum(np.cumsum(generator.dirichlet(np.full(clients, spec.alpha))), 1.0)
            ends[-1] = 1.0
            taken = np.diff(np.rint(ends * len(pool)).astype(np.int64), prepend=0)
            owners[pool] = np.repeat(np.arange(clients), taken)
            sizes += taken
        draws += 1
        short = int(np.count_nonzero(sizes < spec.minimum))
        if not short:
            return owners
    raise DataError(
        f"no Dirichlet split found of {len(labels)} training samples that gives each of clients.count={clients} clients at "
        f"least partition.minimum={spec.minimum} at partition.alpha={spec.alpha:g}"
        + (f"; draw {draws}, the last, left {short} of them short" if draws else ""),
        hint="raise partition.alpha, lower partition.minimum or clients.count, or use partition.law=per_client",
    )


def _fill_clients(alpha: float, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    pools = _pools(labels, generator)
    left = np.array([len(pool) for pool in pools])
    size = len(labels) // clients
    owners = np.full(len(labels), clients, dtype=np.int64)
    concentration = np.full(len(pools), alpha)
    for client in range(clients):
        taken = _take(size, generator.dirichlet(concentration), left, generator)
        rest = left - taken
        for c in np.flatnonzero(taken):
            owners[pools[c][rest[c] : left[c]]] = client
        left = rest
    return owners


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
