"""The federation server: broadcasts the global client vector and joins the clients' updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from heron_ray.federation import make_rule
from heron_ray.methods import Script, make_method
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.messages import ClientState, Message, Scripts, Updates
from heron_ray.simulation.roles.collusion import Collusion, attacked_place, colluding
from heron_ray.simulation.roles.protection import central_noise
from heron_ray.simulation.roles.root_client import RootClient
from heron_ray.simulation.roles.scrutiny import Scrutineer, Scrutiny
from heron_ray.simulation.setup import Setup
from heron_ray.spec.aggregation import MeanAggregation
from heron_ray.vectors import FlatVector, Float32Array

_CARRIED = "carried."


class FederationServer:
    """Holds the global values of the parts that clients share [P].

    It also stands for the clients' own storage: whatever a client keeps between its rounds lies here.
    """

    def __init__(self, setup: Setup) -> None:
        """Start from the initial model."""
        self._method = make_method(setup.spec.method)
        self._seed = setup.spec.seed
        self._rule = make_rule(setup.spec.aggregation)
        samples = setup.spec.aggregation.root_samples
        self._root = None if samples is None else RootClient(setup, samples)
        self._rule_state = f"rule.{setup.spec.aggregation.kind}."
        self._replica = FlatVector(setup.build_model().parts(self._method.client_parts))
        self._vector = self._replica.numpy(self._method.shared_parts)
        self._states: dict[int, ClientState] = {}
        self._collected = 0
        updates = setup.spec.privacy.updates if setup.spec.privacy is not None else None
        self._noise = updates if updates is not None and updates.noise == "central" else None
        self._scrutineer = Scrutineer(len(self._vector))
        self._buffers = setup.spec.edge is not None and setup.spec.edge.buffer is not None
        self._carried: dict[int, Float32Array] = {}
        self._shards = setup.shards
        self._pools_scalars = setup.spec.aggregation != MeanAggregation(kind="mean")
        self._collusion: Collusion | None = None
        if setup.spec.attack is not None and (attack := colluding(setup.spec.attack)) is not None:
            place = attacked_place(setup.spec.attack.paths(), self._replica)
            self._collusion = Collusion(attack, place, size=len(self._vector), seed=setup.spec.seed)

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
        self.keep({client: state for client, state in zip(updates.clients, updates.states, strict=True) if state})
        vectors = updates.vectors if updates.scripts is None else self._replay(updates.scripts)
        if vectors is not None and vectors.shape[1]:
            if updates.late:
                updates, vectors = self._carry(updates, vectors)
            if self._collusion is None:
                self._scrutineer.see(updates.clients, vectors)
            for client, samples, update in zip(updates.clients, updates.samples, vectors, strict=True):
                if self._collusion is None:
                    self._rule.add(update, samples, client)
                else:
                    self._collusion.add(updates.round, update, samples, client, attacks=client in updates.attackers)
                self._collected += 1

    def _carry(self, updates: Updates, vectors: Float32Array) -> tuple[Updates, Float32Array]:
        """Put those that arrive in a later round aside; returns the others."""
        for client, vector in zip(updates.clients, vectors, strict=True):
            if client in updates.late:
                self._carried[client] = vector.copy()
        now = [place for place, client in enumerate(updates.clients) if client not in updates.late]
        clients, samples = (tuple(values[place] for place in now) for values in (updates.clients, updates.samples))
        states = tuple(updates.states[place] for place in now)
        return replace(updates, clients=clients, samples=samples, states=states), vectors[now]

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
        """The clients' scalars joined over the cohort [S], one message per chunk in canonical order.

        All clients probed the same directions, so a robust rule may join q scalars where it would else join P parameters.
        """
        rows = np.stack([row for message in messages for row in message.scalars])
        if self._pools_scalars:
            for row in rows:
                self._rule.add(row, 1)
            return self._rule.result()
        mean: Float32Array = rows.sum(axis=0, dtype=np.float64) / len(rows)
        return mean.astype(np.float32)

    def aggregate(
        self, round: int, carried: Sequence[tuple[int, float]] = (), discarded: Sequence[int] = ()
    ) -> tuple[bool, Scrutiny]:
        """End round t: apply the joined update, if any came.

        Args:
            round: The round t.
            carried: Clients whose update of an earlier round arrives in this one, and by what it is multiplied; they are joined
                after those of this round.
            discarded: Clients whose update came too late.

        Returns:
            Whether the global values are finite, and what the updates looked like.
        """
        left_out: tuple[int, ...] = ()
        for client, factor in carried:
            update = self._carried.pop(client)
            self._scrutineer.see([client], update[None])
            self._rule.add(np.float32(factor) * update, len(self._shards[client]), client)
            self._collected += 1
        for client in discarded:
            del self._carried[client]
        if self._collected:
            if self._root is not None:
                self._rule.trust(self._root.update(round, self._vector))
            if self._collusion is not None:
                for update, samples, client in self._collusion.take(self._rule, lambda: self._draw(round)):
                    self._scrutineer.see([client], update[None])
                    self._rule.add(update, samples, client)
            joined = self._rule.result(self._draw(round))
            if self._noise is not None:
                joined = joined + central_noise(self._noise, len(joined), self._collected, self._seed, round)
            if self._collusion is not None:
                self._collusion.joined(joined)
            self._vector = self._vector + joined
            self._collected = 0
            left_out = self._rule.left_out
        return bool(np.isfinite(self._vector).all()), self._scrutineer.report(left_out)

    def _draw(self, round: int) -> np.random.Generator:
        """Where the rule's random choices in round t come from."""
        return generator(derive(self._seed, Purpose.AGGREGATION, round))

    def state(self) -> dict[str, Float32Array]:
        """All that must be kept to continue: the global values, what the rule and attackers keep, and what clients keep."""
        state = {"client": self.shared_parts()} | (self._collusion.state() if self._collusion is not None else {})
        state |= {f"{_CARRIED}{client}": vector for client, vector in sorted(self._carried.items())}
        state |= {self._rule_state + name: vector for name, vector in self._rule.state().items()}
        for client, vectors in sorted(self._states.items()):
            state |= {f"kept.{client}.{name}": vector for name, vector in vectors.items()}
        return state

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from what `state` gave; what another rule or a buffer kept, in a fork that has neither, is left out."""
        kept = {name: vector for name, vector in state.items() if name.startswith(self._rule_state)}
        self._rule.load({name.removeprefix(self._rule_state): vector for name, vector in kept.items()})
        self._vector = np.array(state["client"])
        carried = {name: vector for name, vector in state.items() if name.startswith(_CARRIED)} if self._buffers else {}
        self._carried = {int(name.removeprefix(_CARRIED)): np.array(vector) for name, vector in carried.items()}
        if self._collusion is not None:
            self._collusion.load(state)
        states: dict[int, dict[str, Float32Array]] = {}
        for name, vector in state.items():
            if name.startswith("kept."):
                _, client, vector_name = name.split(".", 2)
                states.setdefault(int(client), {})[vector_name] = np.array(vector)
        self._states = dict(states)
