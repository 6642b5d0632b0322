"""shards: samples sorted by label, cut into N s shards whose sizes differ by at most one, s of them dealt to each client.

The split of the paper that introduced federated averaging (McMahan et al., arXiv 1602.05629), where s = 2. The order within
a class is random, so which samples of it lie in a shard is, too.
"""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.data.partition.pools import class_pools, even_sizes
from heron_ray.errors import DataError
from heron_ray.spec.partition import ShardsPartition


def deal_shards(spec: ShardsPartition, labels: Indices, clients: int, generator: np.random.Generator) -> Indices:
    """Who owns each sample, shape [n]. Raises DataError where there are more shards than samples."""
    shards = clients * spec.per_client
    if shards > len(labels):
        raise DataError(
            f"{len(labels)} training samples cannot be cut into clients.count={clients} times "
            f"partition.per_client={spec.per_client} shards",
            hint="lower partition.per_client or clients.count, or use more data",
        )
    by_label = np.concatenate(class_pools(labels, generator))
    dealt = generator.permutation(np.repeat(np.arange(clients), spec.per_client))
    owners = np.empty(len(labels), dtype=np.int64)
    owners[by_label] = np.repeat(dealt, even_sizes(len(labels), shards))
    return owners
