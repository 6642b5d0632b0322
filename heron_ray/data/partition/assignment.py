"""Who holds what, as two flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Indices: TypeAlias = NDArray[np.int64]
Shares: TypeAlias = NDArray[np.float64]


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
