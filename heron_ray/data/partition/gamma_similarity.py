"""gamma_similarity: a share gamma of the samples is split evenly at random, the rest sorted by label and cut into N pieces.

"s % similarity" of Karimireddy et al. (SCAFFOLD, arXiv 1910.06378), which ByzFL calls gamma_similarity_niid. Client i holds the
i-th piece. All sizes differ by at most one. The order within a class is random.
"""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.data.partition.pools import even_sizes
from heron_ray.spec.partition import GammaSimilarityPartition


def divide_partly_sorted(
    spec: GammaSimilarityPartition, labels: Indices, clients: int, generator: np.random.Generator
) -> Indices:
    """Who owns each sample, shape [n]."""
    order = generator.permutation(len(labels))
    mixed, rest = np.split(order, [round(spec.gamma * len(labels))])
    by_label = rest[np.argsort(labels[rest], kind="stable")]
    sizes = even_sizes(len(mixed), clients)
    owners = np.empty(len(labels), dtype=np.int64)
    owners[mixed] = np.repeat(np.arange(clients), sizes)
    owners[by_label] = np.repeat(np.arange(clients), even_sizes(len(labels), clients) - sizes)
    return owners
