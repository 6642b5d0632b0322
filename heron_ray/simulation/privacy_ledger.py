"""The privacy ledger: what each client has spent, from the plans of the rounds alone.

Epsilon is that of the sample or client with the most releases. Neighbours differ in one sample (smashed data) or one client
(updates) that is **replaced** by any other, so two clipped vectors lie up to 2 C apart and a release has mu = 2 / sigma.

- **Smashed data**: a sample is released in every upload whose batch it is in. A client shuffles its shard anew in every round
  and epoch, so that is at most once per epoch an upload falls into. No amplification by sampling: labels go up in the clear
  beside the smashed data, and tell much about who is in a batch.
- **Updates, local noise**: one release per round in which a client takes part. No amplification: the server sees who does.
- **Updates, central noise**: the same, or less for observers who do not know the cohorts: they are drawn uniformly, of a
  fixed size, without replacement and anew in every round. With a simulated edge they are not, and there is no amplification.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from heron_ray.privacy import gaussian_epsilon, renyi_epsilon, sampled_renyi
from heron_ray.simulation.plan import RoundPlan
from heron_ray.simulation.setup import Setup
from heron_ray.spec.privacy import PrivacySpec

SENSITIVITY: Final = 2.0
"""Of a clipped vector that is replaced by another, in units of the clip norm."""


class PrivacyLedger:
    """Releases so far, by mechanism and client.

    Args:
        setup: The run's.
        spec: Its mechanisms.
    """

    def __init__(self, setup: Setup, spec: PrivacySpec) -> None:
        """Nothing has been released."""
        self._setup, self._spec, self._clients = setup, spec, setup.spec.clients
        self._counts: dict[str, dict[int, int]] = {
            name: {} for name in ("smashed", "updates") if getattr(spec, name) is not None
        }
        self._most = dict.fromkeys(self._counts, 0)
        self._sampled: NDArray[np.float64] | None = None
        self._sampled_so_far: NDArray[np.float64] | None = None
        central = spec.updates is not None and spec.updates.noise == "central"
        share = self._clients.cohort / self._clients.count
        if spec.updates is not None and central and setup.spec.edge is None and share < 1:
            self._sampled = sampled_renyi(SENSITIVITY / spec.updates.sigma, share)
            self._sampled_so_far = np.zeros_like(self._sampled)
        self._exact = cache(lambda mu: gaussian_epsilon(mu, spec.delta))

    def add(self, plan: RoundPlan) -> dict[str, float]:
        """Enter a round; returns epsilon after it, by series name."""
        epsilons = self.after(plan)
        for name, counts in self._counts.items():
            self._most[name] = self._most_after(name, plan)
            for client in plan.cohort:
                counts[client] = counts.get(client, 0) + self._releases(name, client)
        if self._sampled is not None and self._sampled_so_far is not None:
            self._sampled_so_far = self._sampled_so_far + self._sampled
        return epsilons

    def after(self, plan: RoundPlan) -> dict[str, float]:
        """What epsilon will be after a round, by series name."""
        epsilons = {f"epsilon_{name}": self._epsilon(name, self._most_after(name, plan)) for name in self._counts}
        if self._sampled is not None and self._sampled_so_far is not None:
            amplified = renyi_epsilon(self._sampled_so_far + self._sampled, self._spec.delta)
            epsilons["epsilon_updates"] = min(epsilons["epsilon_updates"], amplified)
        return epsilons

    def result(self, epsilons: Mapping[str, float]) -> dict[str, Any]:
        """For a run's result: epsilon after its last round, and the releases of one sample or client that it stands for."""
        told = {"delta": self._spec.delta, **{f"epsilon_{name}": epsilons.get(f"epsilon_{name}", 0.0) for name in self._counts}}
        return told | {f"releases_{name}": count for name, count in self._most.items()}

    def state(self) -> dict[str, Any]:
        """All that must be kept to continue, as plain JSON values."""
        counts = {name: {str(client): count for client, count in counts.items()} for name, counts in self._counts.items()}
        return {"counts": counts, "sampled": None if self._sampled_so_far is None else self._sampled_so_far.tolist()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave; where that was not amplified (a fork may take the edge away), nor is the rest."""
        for name in self._counts:
            self._counts[name] = {int(client): count for client, count in state["counts"][name].items()}
            self._most[name] = max(self._counts[name].values(), default=0)
        if state["sampled"] is None:
            self._sampled = self._sampled_so_far = None
        elif self._sampled is not None:
            self._sampled_so_far = np.array(state["sampled"], dtype=np.float64)

    def _epsilon(self, name: str, releases: int) -> float:
        mu: float = SENSITIVITY / getattr(self._spec, name).sigma * math.sqrt(releases)
        return self._exact(mu)

    def _most_after(self, name: str, plan: RoundPlan) -> int:
        counts = self._counts[name]
        return max([self._most[name], *(counts.get(one, 0) + self._releases(name, one) for one in plan.cohort)])

    def _releases(self, name: str, client: int) -> int:
        """How often, at most, one of a client's samples, or the client, is released in a round that it takes part in."""
        if name == "updates":
            return 1
        method = self._setup.spec.method
        steps_per_epoch = len(self._setup.shards[client]) // self._setup.batch_size(client)
        interval = getattr(method, "upload_every", 1)
        uploads = -(-self._clients.local_steps // interval)
        epochs = (uploads - 1) * interval // steps_per_epoch + 1
        return min(uploads, epochs) * method.smashed_per_upload
