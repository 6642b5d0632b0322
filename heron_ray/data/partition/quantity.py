"""quantity: sizes by a law, samples at random.

    n_i ~ w_i        log_normal   w_i = exp(sigma z_i), z_i ~ N(0, 1)
                     linear       w_i = i                    for i = 1 ... N
                     square       w_i = i^2
                     exponential  w_i = exp(rate i)
                     dirichlet    w ~ Dir(alpha * 1_N)

A client whose share is below `minimum` gets that many; the others share the rest in proportion to their w.
"""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices, Shares
from heron_ray.data.partition.pools import apportion
from heron_ray.errors import DataError
from heron_ray.spec.partition import DirichletSizes, ExponentialSizes, LogNormalSizes, QuantityPartition, SizesSpec, SquareSizes


def divide_by_size(spec: QuantityPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Who owns each sample, shape [n]. Raises DataError where the minimum is more than there is."""
    if clients * spec.minimum > len(labels):
        raise DataError(
            f"{len(labels)} training samples do not give each of clients.count={clients} clients "
            f"partition.minimum={spec.minimum}",
            hint="lower partition.minimum or clients.count, or use more data",
        )
    sizes = apportion(_weights(spec.sizes, clients, generator), len(labels), spec.minimum)
    owners = np.empty(len(labels), dtype=np.int64)
    owners[generator.permutation(len(labels))] = np.repeat(np.arange(clients), sizes)
    return owners


def _weights(law: SizesSpec, clients: int, generator: np.random.Generator) -> Shares:
    places = np.arange(1, clients + 1, dtype=np.float64)
    if isinstance(law, LogNormalSizes):
        return np.exp(law.sigma * generator.standard_normal(clients))
    if isinstance(law, ExponentialSizes):
        return np.exp(law.rate * (places - clients))
    if isinstance(law, DirichletSizes):
        return generator.dirichlet(np.full(clients, law.alpha))
    return places**2 if isinstance(law, SquareSizes) else places
