"""natural: samples stay with who made them, as the data set says.

With as many clients as makers, client i holds what the i-th maker made; with fewer, consecutive makers in numbers that
differ by at most one. Makers are numbered in the ascending order of their names.
"""

from __future__ import annotations

import numpy as np

from heron_ray.data.partition.assignment import Indices
from heron_ray.data.partition.pools import even_sizes
from heron_ray.errors import DataError


def keep_with_makers(makers: Indices | None, clients: int) -> Indices:
    """Who owns each sample, shape [n].

    Args:
        makers: The number of who made each sample, int64, shape [n], without gaps from 0.
        clients: Number of clients N.

    Raises:
        DataError: The data set does not say who made its samples, or there are fewer makers than clients.
    """
    if makers is None:
        raise DataError(
            "partition.kind=natural needs data that say who made each sample",
            hint="set data.client_column or data.client_folders",
        )
    count = int(makers.max()) + 1
    if clients > count:
        raise DataError(
            f"clients.count={clients}, but the training samples were made by {count}",
            hint=f"lower clients.count to {count} or less",
        )
    return np.repeat(np.arange(clients), even_sizes(count, clients))[makers]
