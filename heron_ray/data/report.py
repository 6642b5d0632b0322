"""Who holds what: a partition in numbers, as plain JSON values."""

from __future__ import annotations

from typing import Any

import numpy as np

from heron_ray.data.partition import Indices, Shards

_MOST_ROWS = 1000
_MOST_CELLS = 100_000


def partition_report(shards: Shards, labels: Indices, classes: int) -> dict[str, Any]:
    """Describe a partition.

    The skew is the mean over clients of the total-variation distance between a client's label law and that of all samples,
    TV(p_i, p) = 1/2 sum_c |p_i[c] - p[c]| = sum_c max(p_i[c] - p[c], 0), to which only classes that client i holds add: 0 where
    every client has the global law, near 1 where each has one rare class.

    Time and memory grow with samples and clients, not with clients times classes.

    Args:
        shards: Who holds which samples, at least one each.
        labels: The samples' classes, int64, shape [n].
        classes: Number of classes.

    Returns:
        `clients` and `samples` held; `sizes` {`min`, `median`, `max`}; `mean_classes`, the mean number of classes a client
        holds; `mean_total_variation`; `per_client`, one row per client of its sample count in each class, for the first
        clients only where the table would be large; `note`, which says so, else null.
    """
    law = np.bincount(labels, minlength=classes) / len(labels)
    sizes = shards.sizes
    holders = np.repeat(np.arange(len(shards)), sizes)
    cells, counts = np.unique(holders * classes + labels[shards.held], return_counts=True)
    client, label = np.divmod(cells, classes)
    distances = np.maximum(counts / sizes[client] - law[label], 0)
    rows = min(len(shards), _MOST_ROWS, max(1, _MOST_CELLS // classes))
    per_client = np.zeros((rows, classes), dtype=np.int64)
    listed = client < rows
    per_client[client[listed], label[listed]] = counts[listed]
    return {
        "clients": len(shards),
        "samples": len(shards.held),
        "sizes": {"min": int(sizes.min()), "median": float(np.median(sizes)), "max": int(sizes.max())},
        "mean_classes": len(cells) / len(shards),
        "mean_total_variation": float(distances.sum()) / len(shards),
        "per_client": per_client.tolist(),
        "note": f"per_client holds the first {rows} of {len(shards)} clients" if rows < len(shards) else None,
    }
