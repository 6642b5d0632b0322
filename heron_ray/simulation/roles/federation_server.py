"""The federation server: broadcasts the global client vector and joins the clients' updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from heron_ray.federation import make_rule
from heron_ray.methods import Script, make_method
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.messages import ClientState, Message, Scripts, Updates
from heron_ray.simulation.setup import Setup
from heron_ray.vectors import FlatVector, Float32Array


class FederationServer:
    """Holds the global values of the parts that clients share [P].

    It also stands for the clients' own storage: whatever a client keeps between its rounds lies here.
    """

    def __init__(self, setup: Setup) -> None:
        """Start from the initial model."""
        self._method = make_method(setup.spec.method)
        self._seed = setup.spec.seed
        self._rule = make_rule(setup.spec.aggregation)
        self._rule_state = f"rule.{setup.spec.aggregation.kind}."
        self._replica = FlatVector(setup.build_model().parts(self._method.client_parts))
        self._vector = self._replica.numpy(self._method.shared_parts)
        self._states: dict[int, ClientState] = {}
        self._collected = 0

    def broadcast(self) -> Float32Array:
        """The message that begins a round: the global values of the shared parts [P]."""
        return self.shared_parts()

    def shared_parts(self) -> Float32Array:
        """The global values of the shared parts [P]."""
        return self._vector.copy()

    def kept_states(self, clients: Sequence[int]) -> tuple[ClientState, ...]:
        """What each client keeps; empty mappings for clients not yet seen."""
        return tuple(self._states.get(client, {}) for client in clients)

    def keep(self, states: Mapping[int, ClientState]) -> None:
        """Take what clients were sent by the main server, to be kept beside what they keep already."""
        for client, state in states.items():
            self._states[client] = {**self._states.get(client, {}), **state}

    def collect(self, *messages: Message) -> None:
        """Take the updates that messages bring; clients come in canonical order."""
        for message in messages:
            if message.updates is not None:
                self._take(message.updates)

    def _take(self, updates: Updates) -> None:
        vectors = updates.vectors if updates.scripts is None else self._replay(updates.scripts)
        if vectors is not None and vectors.shape[1]:
            for client, samples, update in zip(updates.clients, updates.samples, vectors, strict=True):
                self._rule.add(update, samples, client)
                self._collected += 1
        self.keep({client: state for client, state in zip(updates.clients, updates.states, strict=True) if state})

    def _replay(self, scripts: Scripts) -> Float32Array:
        """The updates [K, P] that scripts tell, by doing to the broadcast vector what each client did."""
        shared, updates = self._method.shared_parts, []
        for seeds, coefficients, statistics in zip(scripts.seeds, scripts.coefficients, scripts.statistics, strict=True):
            self._replica.load(self._vector, shared)
            self._method.replay(self._replica, Script(seeds=seeds.tolist(), coefficients=torch.tensor(coefficients)))
            self._replica.load_statistics(statistics, shared)
            updates.append(self._replica.numpy(shared) - self._vector)
        return np.stack(updates)

    def exchange(self, *messages: Message) -> Float32Array:
        """The mean [S] over the cohort of the clients' scalars, one message per chunk in canonical order."""
        rows = np.stack([row for message in messages for row in message.scalars])
        mean: Float32Array = rows.sum(axis=0, dtype=np.float64) / len(rows)
        return mean.astype(np.float32)

    def aggregate(self, round: int) -> bool:
        """End round t: apply the joined update, if any came. Returns whether the global values are finite."""
        if self._collected:
            draw = generator(derive(self._seed, Purpose.AGGREGATION, round))
            self._vector = self._vector + self._rule.result(draw)
            self._collected = 0
        return bool(np.isfinite(self._vector).all())

    def state(self) -> dict[str, Float32Array]:
        """All that must be kept to continue: the global values, what the rule keeps, and what clients keep."""
        state = {"client": self.shared_parts()}
        state |= {self._rule_state + name: vector for name, vector in self._rule.state().items()}
        for client, vectors in sorted(self._states.items()):
            state |= {f"kept.{client}.{name}": vector for name, vector in vectors.items()}
        return state

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from what `state` gave; what another rule kept, in a fork that changes the rule, is left out."""
        kept = {name: vector for name, vector in state.items() if name.startswith(self._rule_state)}
        self._rule.load({name.removeprefix(self._rule_state): vector for name, vector in kept.items()})
        self._vector = np.array(state["client"])
        states: dict[int, dict[str, Float32Array]] = {}
        for name, vector in state.items():
            if name.startswith("kept."):
                _, client, vector_name = name.split(".", 2)
                states.setdefault(int(client), {})[vector_name] = np.array(vector)
        self._states = dict(states)
