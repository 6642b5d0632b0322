"""Who holds what: a partition in numbers, as plain JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heron_ray.data.partition import Indices

_MOST_ROWS = 1000
_MOST_CELLS = 100_000


def partition_report(shards: Sequence[Indices], labels: Indices, classes: int) -> dict[str, Any]:
    """Describe a partition.

    The skew is the mean over clients of the total-variation distance between a client's label law and that of all samples,
    TV(p_i, p) = 1/2 sum_c |p_i[c] - p[c]|: 0 where every client has the global law, near 1 where each has one rare class.

    Args:
        shards: For each client the indices of its samples, at least one each.
        labels: The samples' classes, int64, shape [n].
        classes: Number of classes.

    Returns:
        `clients` and `samples` held; `sizes` {`min`, `median`, `max`}; `mean_classes`, the mean number of classes a client
        holds; `mean_total_variation`; `per_client`, one row per client of its sample count in each class, for the first
        clients only where the table would be large; `note`, which says so, else null.
    """
    law = np.bincount(labels, minlength=classes) / len(labels)
    rows = min(len(shards), _MOST_ROWS, max(1, _MOST_CELLS // classes))
    per_client: list[list[int]] = []
    sizes, held_classes, distances = [], [], []
    for shard in shards:
        counts = np.bincount(labels[shard], minlength=classes)
        if len(per_client) < rows:
            per_client.append(counts.tolist())
        sizes.append(len(shard))
        held_classes.append(np.count_nonzero(counts))
        distances.append(0.5 * float(np.abs(counts / len(shard) - law).sum()))
    return {
        "clients": len(shards),
        "samples": sum(sizes),
        "sizes": {"min": min(sizes), "median": float(np.median(sizes)), "max": max(sizes)},
        "mean_classes": float(np.mean(held_classes)),
        "mean_total_variation": float(np.mean(distances)),
        "per_client": per_client,
        "note": f"per_client holds the first {rows} of {len(shards)} clients" if rows < len(shards) else None,
    }
