"""A client host: runs the generators of many virtual clients on one set of model buffers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from heron_ray.federation import Attack, make_attack
from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import Client, ClientUpdate, Exchange, Upload, make_method
from heron_ray.methods.method import ClientRound
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.messages import ClientState, Progress, Updates, Uploads, Waiting
from heron_ray.simulation.plan import CHUNK_BYTES, Chunk
from heron_ray.simulation.roles.batches import Batches
from heron_ray.simulation.setup import Setup
from heron_ray.vectors import FlatVector, Float32Array


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """A client's generator on its way. `saved` holds its vector while another client uses the buffers.

    `attack` is what it does in this round; None where it is honest.
    """

    number: int
    round: int
    generator: ClientRound
    attack: Attack | None
    waiting: Waiting | None = None
    barriers: int = 0
    saved: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the clients of a chunk were waiting for."""

    dz: Float32Array | None
    barrier: int
    cohort_mean: Float32Array | None

    def take(self, run: _Run, traffic: TrafficLedger) -> Float32Array | None:
        """The answer for one client, counted as sent down."""
        if run.waiting is Waiting.REPLY and self.dz is not None:
            traffic.add_gradient(self.dz)
            return self.dz
        if run.waiting is Waiting.COHORT and self.cohort_mean is not None:
            traffic.add("down", scalars=self.cohort_mean.nbytes)
            return self.cohort_mean
        return None


@dataclass(slots=True)
class _Outbox:
    """What the clients of a chunk sent since the last call."""

    uploads: list[tuple[Float32Array, np.ndarray]] = field(default_factory=list)
    scalars: list[Float32Array] = field(default_factory=list)
    updates: list[tuple[int, Float32Array, ClientState]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    traffic: TrafficLedger = field(default_factory=TrafficLedger)
    bytes: int = 0

    def take_upload(self, upload: Upload) -> None:
        """Copy the arrays out, so that the client's smashed data are free when its generator goes on."""
        z, y = np.array(upload.z.cpu().numpy()), upload.y.cpu().numpy()
        self.uploads.append((z, y))
        self.bytes += z.nbytes + y.nbytes
        self.traffic.add_upload(z, y)

    def take_update(self, number: int, update: Float32Array, state: ClientState) -> None:
        """Keep a finished client's update."""
        self.updates.append((number, update, state))
        self.bytes += update.nbytes + sum(vector.nbytes for vector in state.values())

    def take_scalars(self, exchange: Exchange) -> None:
        """Copy the scalars out."""
        self.scalars.append(np.array(exchange.scalars.cpu().numpy()))
        self.traffic.add("up", scalars=self.scalars[-1].nbytes)


class ClientHost:
    """Runs clients chunk by chunk. Its memory does not grow with the number of clients it serves.

    Between calls it keeps only chunks that wait for something. All clients share one model; a client that has to wait
    while another runs has its vector put aside and brought back, so clients never see one another.
    """

    def __init__(self, setup: Setup) -> None:
        """Build the model and the method."""
        self._setup = setup
        self._method = make_method(setup.spec.method)
        self._attack = make_attack(setup.spec.attack) if setup.spec.attack is not None else None
        self._model = setup.build_model()
        self._vector = FlatVector(self._model.parts(self._method.client_parts))
        self._chunks: dict[int, list[_Run]] = {}
        self._active: _Run | None = None

    def advance(
        self,
        chunk: Chunk,
        broadcast: Float32Array,
        kept_states: tuple[ClientState, ...],
        dz: Float32Array | None,
        barrier: int,
        cohort_mean: Float32Array | None,
    ) -> tuple[Progress, Uploads | None, Updates | None, list[Float32Array]]:
        """Run the chunk's clients in order until they are done or must wait.

        Args:
            chunk: Which clients; the first call for a chunk begins their rounds.
            broadcast: The global client vector [P].
            kept_states: Per client of the chunk, its kept optimizer state; empty if the method keeps none.
            dz: dL/dz [B, *cut] for the client of a coupled method that waits for it.
            barrier: The exchange whose mean is given; 0 before the first.
            cohort_mean: The cohort's mean scalars [S], for the clients that wait at that exchange.

        Returns:
            The bookkeeping, the uploads, the updates of clients that became done, and the scalars each client put into the
            exchange it now waits at.
        """
        runs = self._chunks.setdefault(chunk.number, [])
        outbox = _Outbox()
        if not runs:
            runs += self._begin(chunk, broadcast, kept_states, outbox)
        waiting = self._advance_runs(runs, _Answers(dz, barrier, cohort_mean), broadcast, outbox)
        if waiting is Waiting.NOTHING:
            del self._chunks[chunk.number]
        progress = Progress(waiting=waiting, losses=tuple(outbox.losses), traffic=outbox.traffic)
        return progress, _pack_uploads(outbox), self._pack_updates(outbox), outbox.scalars

    def _begin(
        self, chunk: Chunk, broadcast: Float32Array, kept_states: tuple[ClientState, ...], outbox: _Outbox
    ) -> list[_Run]:
        initial = torch.tensor(broadcast)
        runs = []
        for position, number in enumerate(chunk.clients):
            attack = self._attack if number in chunk.attackers else None
            client = self._client(chunk.round, number, kept_states[position] if kept_states else {}, attack)
            begun = self._method.client_round(client)
            run = _Run(number=number, round=chunk.round, generator=begun, attack=attack, saved=initial)
            runs.append(run)
            if self._method.synchronised:
                outbox.traffic.add_model("down", self._vector.part_sizes)
        return runs

    def _client(self, round: int, number: int, kept_state: ClientState, attack: Attack | None) -> Client:
        spec, train = self._setup.spec, self._setup.dataset.train
        batches = Batches(self._setup.shards[number], spec.clients.batch_size, seed=spec.seed, round=round, client=number)

        def batch(step: int) -> tuple[Tensor, Tensor]:
            indices = torch.from_numpy(batches.indices(step))
            device = self._vector.data.device
            y = train.y.index_select(0, indices)
            if attack is not None:
                y = attack.on_labels(y, classes=self._setup.dataset.classes)
            return train.x.index_select(0, indices).to(device), y.to(device)

        return Client(
            number=number,
            round=round,
            seed=spec.seed,
            steps=spec.clients.local_steps,
            model=self._model,
            vector=self._vector,
            batch=batch,
            kept_state={name: torch.tensor(values) for name, values in kept_state.items()},
        )

    def _advance_runs(self, runs: list[_Run], answers: _Answers, broadcast: Float32Array, outbox: _Outbox) -> Waiting:
        for run in runs:
            if run.waiting is Waiting.NOTHING or (run.waiting is Waiting.COHORT and run.barriers != answers.barrier):
                continue
            self._drive(run, answers.take(run, outbox.traffic), broadcast, outbox)
            if run.waiting in (Waiting.ROOM, Waiting.REPLY):
                return run.waiting
            if outbox.bytes >= CHUNK_BYTES and run is not runs[-1]:
                return Waiting.ROOM
        return Waiting.COHORT if any(run.waiting is Waiting.COHORT for run in runs) else Waiting.NOTHING

    def _drive(self, run: _Run, answer: Float32Array | None, broadcast: Float32Array, outbox: _Outbox) -> None:
        """Run one client until it is done or waits; afterwards `run.waiting` says which."""
        self._activate(run)
        reply = None if answer is None else torch.tensor(answer).to(self._vector.data.device)
        run.waiting = None
        while run.waiting is None:
            try:
                message = run.generator.send(reply)
            except StopIteration as end:
                self._finish(run, end.value, broadcast, outbox)
                return
            reply = None
            if isinstance(message, Exchange):
                outbox.take_scalars(message)
                run.barriers += 1
                run.waiting = Waiting.COHORT
            else:
                outbox.take_upload(message)
                if self._method.coupled:
                    run.waiting = Waiting.REPLY
                elif outbox.bytes >= CHUNK_BYTES:
                    run.waiting = Waiting.ROOM
            del message

    def _activate(self, run: _Run) -> None:
        """Give the model buffers to `run`, putting the vector of a client that is not done aside."""
        if self._active is run:
            return
        if self._active is not None:
            self._active.saved = self._vector.data.clone()
        if run.saved is not None:
            self._vector.data.copy_(run.saved)
            run.saved = None
        self._active = run

    def _finish(self, run: _Run, update: ClientUpdate, broadcast: Float32Array, outbox: _Outbox) -> None:
        run.waiting = Waiting.NOTHING
        self._active = None
        if update.loss is not None:
            outbox.losses.append(update.loss.item())
        if self._method.synchronised:
            outbox.traffic.add_model("up", self._vector.part_sizes)
            state = {name: tensor.cpu().numpy() for name, tensor in update.state.items()} if self._method.keeps_state else {}
            outbox.take_update(run.number, self._update(run, broadcast), state)

    def _update(self, run: _Run, broadcast: Float32Array) -> Float32Array:
        """What a client that has ended its round uploads [P]: its vector minus the broadcast one, if it is honest."""
        update = self._vector.numpy() - broadcast
        if run.attack is None:
            return update
        draw = generator(derive(self._setup.spec.seed, Purpose.ATTACK, run.round, run.number))
        return run.attack.on_update(update, draw)

    def _pack_updates(self, outbox: _Outbox) -> Updates | None:
        if not outbox.updates:
            return None
        numbers, vectors, states = zip(*outbox.updates, strict=True)
        samples = tuple(len(self._setup.shards[number]) for number in numbers)
        return Updates(clients=numbers, samples=samples, vectors=np.stack(vectors), states=states)


def _pack_uploads(outbox: _Outbox) -> Uploads | None:
    if not outbox.uploads:
        return None
    zs, ys = zip(*outbox.uploads, strict=True)
    return Uploads(sizes=tuple(len(y) for y in ys), z=np.concatenate(zs), y=np.concatenate(ys))
