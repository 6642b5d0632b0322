"""The federation server's own client: what a round on clean samples gives, for rules that measure updates by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from heron_ray.data.dataset import Split
from heron_ray.data.partition import Shards
from heron_ray.errors import DataError
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.messages import Waiting
from heron_ray.simulation.plan import Chunk
from heron_ray.simulation.roles.client_host import ClientHost
from heron_ray.simulation.setup import Setup
from heron_ray.spec.partition import IidPartition
from heron_ray.vectors import Float32Array


class RootClient:
    """An honest client beside the population, with the number N, that holds samples of the validation split.

    Its work is the method's own client round, with batches and directions of its own. It runs where the federation server is,
    on the CPU, and what it would upload goes nowhere.

    Raises:
        DataError: The validation split has fewer samples than are asked for.
    """

    def __init__(self, setup: Setup, samples: int) -> None:
        """Draw the samples: the same in every round."""
        spec, validation = setup.spec, setup.dataset.validation
        if samples > len(validation):
            raise DataError(
                f"aggregation.samples={samples} clean samples cannot be drawn from a validation split of {len(validation)}",
                hint=f"use aggregation.samples={len(validation)} or less",
            )
        draw = generator(derive(spec.seed, Purpose.ROOT))
        rows = torch.from_numpy(np.sort(draw.choice(len(validation), size=samples, replace=False)))
        train = Split(x=validation.x[rows], y=validation.y[rows])
        self._number = spec.clients.count
        bounds = np.zeros(self._number + 2, dtype=np.int64)
        bounds[-1] = samples
        sends = {"upload": "parameters"} if hasattr(spec.method, "upload") else {}
        honest = spec.model_copy(
            update={
                "attack": None,
                "privacy": None,
                "edge": None,
                "partition": IidPartition(kind="iid"),
                "compute": spec.compute.model_copy(update={"device": "cpu", "compile": False}),
                "method": spec.method.model_copy(update=sends),
            }
        )
        self._host = ClientHost(
            Setup(
                spec=honest,
                dataset=replace(setup.dataset, train=train, makers=None),
                shards=Shards(held=np.arange(samples), bounds=bounds),
            )
        )

    def update(self, round: int, broadcast: Float32Array) -> Float32Array:
        """What it would send in round t after this broadcast [P]: its update [P]."""
        chunk = Chunk(round=round, number=0, host=0, blocks=((self._number,),))
        while True:
            progress, message = self._host.advance(chunk, broadcast, (), None, 0, None)
            if progress.waiting is Waiting.NOTHING:
                if message.updates is None or message.updates.vectors is None:
                    raise AssertionError("a client's round ended without an update")
                update: Float32Array = message.updates.vectors[0]
                return update
