"""The federation server: broadcasts the global client vector and joins the clients' updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from heron_ray.federation import make_rule
from heron_ray.methods import make_method
from heron_ray.simulation.messages import ClientState, Updates
from heron_ray.simulation.setup import Setup
from heron_ray.vectors import FlatVector, Float32Array


class FederationServer:
    """Holds the global client vector [P], and client states where the method keeps them."""

    def __init__(self, setup: Setup) -> None:
        """Start from the initial model."""
        method = make_method(setup.spec.method)
        self._rule = make_rule(setup.spec.aggregation)
        self._vector = FlatVector(setup.build_model().parts(method.client_parts)).numpy()
        self._states: dict[int, ClientState] = {}
        self._collected = 0

    def broadcast(self) -> Float32Array:
        """The global client vector [P]."""
        return self._vector.copy()

    def kept_states(self, clients: Sequence[int]) -> tuple[ClientState, ...]:
        """The kept optimizer state of each client; empty mappings for clients not yet seen."""
        return tuple(self._states.get(client, {}) for client in clients)

    def collect(self, updates: Updates | None) -> None:
        """Take the updates of a chunk; chunks come in canonical order."""
        if updates is None:
            return
        for client, samples, update, state in zip(
            updates.clients, updates.samples, updates.vectors, updates.states, strict=True
        ):
            self._rule.add(update, samples)
            self._collected += 1
            if state:
                self._states[client] = state

    def exchange(self, *scalars: list[Float32Array]) -> Float32Array:
        """The mean [S] over the cohort of the clients' scalars, one list per chunk in canonical order."""
        rows = np.stack([row for chunk in scalars for row in chunk])
        mean: Float32Array = rows.sum(axis=0, dtype=np.float64) / len(rows)
        return mean.astype(np.float32)

    def aggregate(self) -> bool:
        """End the round: apply the joined update, if any came. Returns whether the global vector is finite."""
        if self._collected:
            self._vector = self._vector + self._rule.result()
            self._collected = 0
        return bool(np.isfinite(self._vector).all())

    def state(self) -> dict[str, Float32Array]:
        """All that must be kept to continue: the global vector and the kept client states."""
        state = {"client": self.broadcast()}
        for client, vectors in sorted(self._states.items()):
            state |= {f"kept.{client}.{name}": vector for name, vector in vectors.items()}
        return state

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from what `state` gave."""
        self._vector = np.array(state["client"])
        states: dict[int, dict[str, Float32Array]] = {}
        for name, vector in state.items():
            if name.startswith("kept."):
                _, client, vector_name = name.split(".", 2)
                states.setdefault(int(client), {})[vector_name] = np.array(vector)
        self._states = dict(states)
