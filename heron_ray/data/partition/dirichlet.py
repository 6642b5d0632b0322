"""dirichlet: label skew drawn from a Dirichlet distribution, under one of three laws.

    per_class    for each class c: p_c ~ Dir(alpha * 1_N), and client i gets a share p_c[i] of the class (LDA;
                 Hsu et al. 2019, arXiv:1909.06335; Yurochkin et al. 2019, arXiv:1905.12022), without the
                 rebalancing that some codes add; all is drawn again until every client has `minimum` samples
    balanced     the same with that rebalancing: p_c[i] = 0 for clients that hold n / N samples or more from the classes
                 before, the rest renormalised (Li et al., NIID-Bench, arXiv:2102.02079)
    per_client   client after client: p_i ~ Dir(alpha * 1_C) over the classes, floor(n / N) samples drawn by it
                 without replacement; where a class has run out, p_i is renormalised over the others

where N is the number of clients, C of classes and n of samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_ray.data.partition.assignment import Indices, Shares
from heron_ray.data.partition.pools import class_pools
from heron_ray.errors import DataError
from heron_ray.spec.partition import DirichletPartition

_MOST_DRAWS = 500

_HOPELESS = 30
"""No draw follows one that left so many clients short. Clients fall short nearly independently of one another, so their number
is nearly Poisson: where one draw in 500 succeeds its mean is about 6, and 30 has a chance below 1e-11."""


def divide_by_dirichlet(spec: DirichletPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Who owns each sample, shape [n]; nobody (owner N) those that would make sizes differ under `per_client`.

    Raises:
        DataError: No draw gave every client its minimum.
    """
    if spec.law == "per_client":
        return _fill_clients(spec.alpha, labels, clients, generator)
    return _divide_classes(spec, labels, clients, generator)


def _divide_classes(spec: DirichletPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Class after class, so that besides the owners only vectors of N numbers are held, drawn until every client has enough."""
    pools = class_pools(labels, generator)
    owners = np.empty(len(labels), dtype=np.int64)
    short, draws = clients, 0
    while draws < _MOST_DRAWS and clients * spec.minimum <= len(labels) and (draws == 0 or short < _HOPELESS):
        sizes = np.zeros(clients, dtype=np.int64)
        for pool in pools:
            shares = generator.dirichlet(np.full(clients, spec.alpha))
            if spec.law == "balanced":
                shares = _of_those_with_room(shares, sizes * clients < len(labels))
            ends = np.minimum(np.cumsum(shares), 1.0)
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


def _of_those_with_room(shares: Shares, has_room: NDArray[np.bool_]) -> Shares:
    """The shares [N] renormalised over the clients that have room; even ones where these have none of it."""
    shares = np.where(has_room, shares, 0.0)
    if shares.sum() <= 0:
        shares = has_room.astype(np.float64)
    law: Shares = shares / shares.sum()
    return law


def _fill_clients(alpha: float, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    pools = class_pools(labels, generator)
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
