"""Byzantine clients on a client host: the attack of a spec, on the paths it acts on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heron_ray.federation import make_attack
from heron_ray.methods import Script
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.roles.collusion import attacked_place
from heron_ray.simulation.setup import Setup
from heron_ray.spec.attack import AttackSpec
from heron_ray.vectors import FlatVector, Float32Array

Forge: TypeAlias = Callable[[Float32Array, NDArray[np.int64]], tuple[Float32Array, NDArray[np.int64]]]
"""From smashed data and labels to those that are sent in their place."""


class Byzantine:
    """What any attacker does in the place of an honest client. On paths that the attack leaves alone: the same.

    Args:
        spec: The attack.
        setup: The run's.
        vector: Any client's vector: it says where an update's auxiliary head lies.
    """

    def __init__(self, spec: AttackSpec, setup: Setup, vector: FlatVector) -> None:
        """Make the attack."""
        self._attack, self._paths = make_attack(spec), spec.paths()
        self._acts_on_update = "parameters" in self._paths or "auxiliary" in self._paths
        self._place = attacked_place(self._paths, vector) if self._acts_on_update else slice(None)
        self._seed, self._classes = setup.spec.seed, setup.dataset.classes
        self._steps = setup.spec.clients.local_steps

    def poison(self, x: Tensor, y: Tensor) -> None:
        """Change a batch x [B, *input], y [B] in place."""
        if "data" in self._paths:
            false_x, false_y = self._attack.on_batch(x, y, classes=self._classes)
            x.copy_(false_x)
            y.copy_(false_y)

    def forge(self, round: int, client: int, upload: int) -> Forge | None:
        """What becomes of a client's upload of that index in the round; None: it stays as it is."""
        if "smashed" not in self._paths:
            return None
        draw = self._draw(round, client, upload)
        return lambda z, y: self._attack.on_upload(z, y, draw, classes=self._classes)

    def update(self, round: int, client: int, update: Float32Array) -> Float32Array:
        """What is uploaded [P] in place of a client's update [P]."""
        if not self._acts_on_update:
            return update
        forged = update.copy()
        forged[self._place] = self._attack.on_update(update[self._place], self._draw(round, client))
        return forged

    def script(self, round: int, client: int, script: Script) -> Script:
        """What is uploaded in place of a client's script."""
        if "scalars" not in self._paths:
            return script
        seeds = [seed for seed in script.seeds if isinstance(seed, int)]
        scalars, probes = script.coefficients.cpu().numpy(), len(seeds) // self._steps
        seeds_sent, scalars_sent = self._attack.on_scalars(seeds, scalars, probes, self._draw(round, client))
        return Script(seeds=seeds_sent, coefficients=torch.from_numpy(scalars_sent))

    def scalars(self, round: int, client: int, barrier: int, scalars: Float32Array) -> Float32Array:
        """What is put into the exchange of that number in place of a client's scalars [S]."""
        if "scalars" not in self._paths:
            return scalars
        return self._attack.on_scalars((), scalars, len(scalars), self._draw(round, client, barrier))[1]

    def _draw(self, *place: int) -> np.random.Generator:
        """For noise, by round, client and, where there are several, which of its messages."""
        return generator(derive(self._seed, Purpose.ATTACK, *place))
