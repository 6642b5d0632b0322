"""What an autoscaler of the cluster is asked for: room for what runs and for what waits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from api.domain.admission import Resources

Bundles = list[dict[str, float]]

MOST_BUNDLES = 1000
"""An experiment of more cores or cards is not asked for: the autoscaler goes through all bundles every few seconds."""


def bundles(needs: Resources) -> Bundles:
    """One per core or card, with an equal share of the memory: actors spread, and a bundle must fit on one machine.

    >>> bundles(Resources(cpus=1.5, gpus=1, memory_bytes=6))
    [{'CPU': 1, 'GPU': 1, 'memory': 3}, {'CPU': 0.5, 'memory': 3}]
    """
    count = max(1, math.ceil(needs.cpus), math.ceil(needs.gpus))
    if count > MOST_BUNDLES:
        return []
    share = math.ceil(needs.memory_bytes / count)
    parts = ({"CPU": min(1, needs.cpus - i), "GPU": min(1, needs.gpus - i), "memory": share} for i in range(count))
    wanted = ({name: amount for name, amount in part.items() if amount > 0} for part in parts)
    return [bundle for bundle in wanted if bundle]


def requests(running: Sequence[Resources], waiting: Sequence[Resources], *, slots: int) -> list[Bundles]:
    """What to ask for, in turns: everything at once, then what runs with each waiting experiment alone.

    Ray's autoscaler (v2) does nothing for a request that the largest cluster could not hold as a whole, and does not say so.

    Args:
        running: What the running experiments were let in with.
        waiting: What the waiting ones need, oldest first.
        slots: How many may run at once.
    """
    held = [bundle for needs in running for bundle in bundles(needs)]
    free = max(0, slots - len(running))
    asked = [bundles(needs) for needs in waiting] if free else []
    turns = [held + [bundle for each in asked[:free] for bundle in each]]
    for each in asked:
        if held + each not in turns:
            turns.append(held + each)
    return turns
