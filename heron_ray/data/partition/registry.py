"""Which function stands behind each `partition.kind`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from heron_ray.data.partition.assignment import Indices, Shards
from heron_ray.data.partition.dirichlet import divide_by_dirichlet
from heron_ray.data.partition.extreme import deal_one_label
from heron_ray.data.partition.gamma_similarity import divide_partly_sorted
from heron_ray.data.partition.iid import divide_evenly
from heron_ray.data.partition.label_quantity import draw_classes
from heron_ray.data.partition.mixed import divide_groups
from heron_ray.data.partition.natural import keep_with_makers
from heron_ray.data.partition.pathological import deal_few_classes
from heron_ray.data.partition.quantity import divide_by_size
from heron_ray.data.partition.shards import deal_shards
from heron_ray.errors import DataError
from heron_ray.spec.partition import FeaturePartition, MixedPartition, NaturalPartition, PartitionSpec

DEALERS: Final[Mapping[str, Callable[[Any, Indices, int, np.random.Generator], Indices]]] = MappingProxyType(
    {
        "iid": divide_evenly,
        "dirichlet": divide_by_dirichlet,
        "shards": deal_shards,
        "pathological": deal_few_classes,
        "label_quantity": draw_classes,
        "quantity": divide_by_size,
        "gamma_similarity": divide_partly_sorted,
        "extreme": deal_one_label,
    }
)
"""A new one is a section in `heron_ray.spec.partition`, a file in this room and one line here. `natural` looks at who made the
samples, `mixed` and `feature` leave the dealing to the others."""


def partition(spec: PartitionSpec, labels: Indices, clients: int, seed: int, makers: Indices | None = None) -> Shards:
    """Divide the training samples over the clients.

    Args:
        spec: The law.
        labels: The samples' classes, int64, shape [n], from 0 upwards.
        clients: Number of clients N.
        seed: The only source of randomness; at least 0.
        makers: The number of who made each sample, int64, shape [n], where the data set says so.

    Returns:
        Who holds which samples; none is held twice. All samples are held, except under dirichlet's `per_client`, which leaves
        out the n mod N that would make sizes differ.

    Raises:
        DataError: There are more clients than samples, or these samples cannot be divided by that law.

    >>> from heron_ray.spec.partition import IidPartition
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
    if isinstance(spec, NaturalPartition):
        owners = keep_with_makers(makers, clients)
    elif isinstance(spec, MixedPartition):
        owners = divide_groups(spec, labels, clients, generator, _deal)
    else:
        owners = _deal(spec.base if isinstance(spec, FeaturePartition) else spec, labels, clients, generator)
    return Shards.of(owners, clients)


def _deal(spec: Any, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    if clients > len(labels):
        raise DataError(
            f"{clients} clients cannot share {len(labels)} training samples", hint="lower clients.count or use more data"
        )
    return DEALERS[spec.kind](spec, labels, clients, generator)
