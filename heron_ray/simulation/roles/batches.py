"""Which samples a client uses in which local step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_ray.seeds import Purpose, derive, generator


class Batches:
    """Mini-batches of one client in one round: shuffled epochs over its shard, the incomplete last batch left out.

    The batch of a step is a function of (seed, round, client, step), so methods that skip steps see the same batches.

    Args:
        shard: The client's sample indices [n].
        batch_size: Samples per batch; a shard with fewer is used whole.
        seed: The experiment's seed.
        round: The round t.
        client: The client's number.
    """

    def __init__(self, shard: NDArray[np.int64], batch_size: int, *, seed: int, round: int, client: int) -> None:
        """Draw nothing yet."""
        self._shard = shard
        self._size = min(batch_size, len(shard))
        self._place = (seed, round, client)
        self._epoch = -1
        self._order = shard

    def indices(self, step: int) -> NDArray[np.int64]:
        """The sample indices [min(batch_size, n)] of a local step."""
        epoch, position = divmod(step, len(self._shard) // self._size)
        if epoch != self._epoch:
            seed, round, client = self._place
            self._order = generator(derive(seed, Purpose.BATCH, round, client, epoch)).permutation(self._shard)
            self._epoch = epoch
        return self._order[position * self._size : (position + 1) * self._size]
