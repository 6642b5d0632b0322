"""A client host: runs the generators of many virtual clients on one set of model buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from heron_ray.data import make_transform
from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import Client, ClientUpdate, Exchange, Fate, Method, Script, Upload, make_method
from heron_ray.methods.method import ClientRound, Reply
from heron_ray.models.compiled import compiled_forwards
from heron_ray.models.forwards import ClientForwards
from heron_ray.models.objectives import objective_of
from heron_ray.simulation import accounting
from heron_ray.simulation.graphed import graphed_forwards
from heron_ray.simulation.messages import (
    MEMORY,
    OWN,
    ClientState,
    Message,
    ProbeFigures,
    Progress,
    Scripts,
    Updates,
    Uploads,
    Waiting,
)
from heron_ray.simulation.plan import CHUNK_BYTES, Chunk
from heron_ray.simulation.roles.batches import Batches
from heron_ray.simulation.roles.byzantine import Byzantine, Forge
from heron_ray.simulation.roles.protection import Protect, Protection
from heron_ray.simulation.setup import Setup
from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.vectors import FlatVector, Float32Array
from heron_ray.zo.directions import estimate_scale


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """The generator of a client, or of a block of clients, on its way.

    `saved` holds a client's vector while another uses the buffers; a block runs to its end at once.

    `attacks` are what they do in this round; None for each that is honest. So many `uploads` went up. `scalars` are what a
    client last put into an exchange; so many `seeds` come down beside their mean. `cuts` are, for each client that ends its
    round without an update, how many uploads it makes before; None for the others. Those that `go_on` do the rest of their work
    all the same, because their update comes later. `told` are the probes' coefficients.
    """

    numbers: tuple[int, ...]
    round: int
    generator: ClientRound
    attacks: tuple[Byzantine | None, ...]
    kept: ClientState
    cuts: tuple[int | None, ...]
    go_on: tuple[bool, ...]
    told: list[Tensor] | None = None
    waiting: Waiting | None = None
    uploads: int = 0
    barriers: int = 0
    seeds: int = 0
    scalars: Float32Array | None = None
    saved: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the clients of a chunk were waiting for."""

    kind: Reply | None
    reply: Float32Array | None
    barrier: int
    cohort_mean: Float32Array | None

    def take(self, run: _Run, traffic: TrafficLedger) -> Float32Array | None:
        """The answer for one client, counted as sent down."""
        if run.waiting is Waiting.REPLY and self.reply is not None and self.kind is not None:
            accounting.count_reply(traffic, self.kind, self.reply)
            return self.reply
        if run.waiting is Waiting.COHORT and self.cohort_mean is not None:
            accounting.count_exchange_down(traffic, self.cohort_mean, run.seeds)
            return self.cohort_mean
        return None


@dataclass(slots=True)
class _Outbox:
    """What the clients of a chunk sent since the last call."""

    uploads: list[tuple[int, Float32Array, np.ndarray, dict[str, Float32Array]]] = field(default_factory=list)
    updates: list[tuple[int, Float32Array, Script | None, ClientState]] = field(default_factory=list)
    losses: list[tuple[int, float]] = field(default_factory=list)
    probes: list[ProbeFigures] = field(default_factory=list)
    traffic: TrafficLedger = field(default_factory=TrafficLedger)
    bytes: int = 0

    def take_upload(self, number: int, upload: Upload, protect: Protect | None = None, forge: Forge | None = None) -> None:
        """Copy the arrays out, in the default order: the client's smashed data are free when its generator goes on.

        `protect` is what every client makes of all smashed data of the upload, `forge` what one that attacks makes of these.
        """
        z, y = _copied_out(upload.z), upload.y.cpu().numpy()
        also = {kind: _copied_out(tensor) for kind, tensor in upload.also.items()}
        if protect is not None:
            z = protect(z, 0)
            smashed = [kind for kind in also if kind.startswith("smashed")]
            also |= {kind: protect(also[kind], which) for which, kind in enumerate(smashed, start=1)}
        if forge is not None:
            also = {kind: forge(array, y)[0] if kind.startswith("smashed") else array for kind, array in also.items()}
            z, y = forge(z, y)
        self.uploads.append((number, z, y, also))
        self.bytes += z.nbytes + y.nbytes + sum(array.nbytes for array in also.values())
        accounting.count_upload(self.traffic, z, y, also)

    def count_upload(self, upload: Upload) -> None:
        """Count what goes up, but is not taken any more."""
        accounting.count_upload(self.traffic, upload.z, upload.y, upload.also)

    def take_update(self, number: int, vector: Float32Array, script: Script | None, state: ClientState) -> None:
        """Keep what a finished client sends: its update, or the statistics that go with its script."""
        self.updates.append((number, vector, script, state))
        self.bytes += vector.nbytes + sum(kept.nbytes for kept in state.values())


class ClientHost:
    """Runs clients chunk by chunk. Its memory does not grow with the number of clients it serves.

    Between calls it keeps only chunks that wait for something. All clients share one model; a client that has to wait
    while another runs has its vector put aside and brought back, so clients never see one another. Clients of a block are
    computed together in a second model, of as many copies as there are clients.
    """

    def __init__(self, setup: Setup) -> None:
        """Build the model and the method."""
        self._setup = setup
        self._method = make_method(setup.spec.method)
        self._transform = make_transform(setup.spec)
        self._model = setup.build_model()
        self._vector = FlatVector(self._model.parts(self._method.client_parts))
        attack = setup.spec.attack
        self._byzantine = Byzantine(attack, setup, self._vector) if attack is not None else None
        privacy = setup.spec.privacy
        self._protection = Protection(privacy, setup.spec.seed) if privacy is not None else None
        self._per_difference = _per_difference(self._method, len(self._vector))
        self._prepared = self._prepare_forwards()
        self._initial = self._vector.numpy(self._method.own_parts)
        self._stacked_model, self._stacked = self._model, self._vector
        if (copies := setup.clients_per_block()) > 1:
            self._stacked_model = setup.build_model()
            self._stacked = FlatVector(self._stacked_model.parts(self._method.client_parts), copies=copies)
        self._chunks: dict[int, list[_Run]] = {}
        self._active: _Run | None = None

    def advance(
        self,
        chunk: Chunk,
        broadcast: Float32Array,
        kept_states: tuple[ClientState, ...],
        reply: Float32Array | None,
        barrier: int,
        cohort_mean: Float32Array | None,
    ) -> tuple[Progress, Message]:
        """Run the chunk's clients in order until they are done or must wait.

        Args:
            chunk: Which clients; the first call for a chunk begins their rounds.
            broadcast: The global values of the parts that clients share [P].
            kept_states: Per client of the chunk, what it keeps between its rounds; empty if the method keeps nothing.
            reply: The main server's answer to the client of a coupled method that waits for it.
            barrier: The exchange whose mean is given; 0 before the first.
            cohort_mean: The cohort's mean scalars [S], for the clients that wait at that exchange.

        Returns:
            The bookkeeping, and the message: uploads, updates of clients that became done, scalars of those that now wait.
        """
        runs = self._chunks.setdefault(chunk.number, [])
        outbox = _Outbox()
        if not runs:
            runs += self._begin(chunk, kept_states, outbox)
        waiting = self._advance_runs(runs, _Answers(self._method.reply, reply, barrier, cohort_mean), broadcast, outbox)
        if waiting is Waiting.NOTHING:
            del self._chunks[chunk.number]
        progress = Progress(
            waiting=waiting,
            has_updates=bool(outbox.updates),
            losses=tuple(outbox.losses),
            probes=tuple(outbox.probes),
            traffic=outbox.traffic,
        )
        message = Message(
            uploads=_pack_uploads(chunk, outbox),
            updates=self._pack_updates(chunk, outbox),
            scalars=tuple(run.scalars for run in runs if run.waiting is Waiting.COHORT and run.scalars is not None),
        )
        return progress, message

    def _prepare_forwards(self) -> ClientForwards | None:
        """The passes of clients without gradients, where they can be faster than eager ones."""
        spec, method = self._setup.spec, self._setup.spec.method
        batch_size = spec.clients.batch_size
        if spec.compute.compile:
            return compiled_forwards(self._model, batch_size=batch_size)
        # Nobody knows what a plug-in waits for, and a capture must not wait.
        is_own = spec.model.kind != "plugin" and method.objective != "reward"
        if spec.compute.device == "cuda" and method.kind == "heron" and is_own:
            return graphed_forwards(self._model, self._vector, objective_of(method), batch_size=batch_size)
        return None

    def _begin(self, chunk: Chunk, kept_states: tuple[ClientState, ...], outbox: _Outbox) -> list[_Run]:
        runs, cuts = [], dict(chunk.cuts)
        for position, numbers in enumerate(chunk.blocks):
            attacks = tuple(self._byzantine if number in chunk.attackers else None for number in numbers)
            kept = kept_states[position] if kept_states else {}
            told: list[Tensor] | None = [] if self._per_difference is not None else None
            client = self._client(chunk.round, numbers, kept, attacks)
            client.told = told
            begun = self._method.client_round(client)
            cut = tuple(cuts.get(number) for number in numbers)
            runs.append(
                _Run(
                    numbers=numbers,
                    round=chunk.round,
                    generator=begun,
                    attacks=attacks,
                    kept=kept,
                    cuts=cut,
                    go_on=tuple(number in chunk.late for number in numbers),
                    told=told,
                )
            )
            for _ in numbers:
                accounting.count_broadcast(outbox.traffic, self._method, self._vector)
        return runs

    def _client(self, round: int, numbers: tuple[int, ...], kept: ClientState, attacks: tuple[Byzantine | None, ...]) -> Client:
        """A client as its method sees it; a block of clients where there are several. Only single clients keep anything."""
        spec, train, shards = self._setup.spec, self._setup.dataset.train, [self._setup.shards[number] for number in numbers]
        batches = [
            Batches(shard, spec.clients.batch_size, seed=spec.seed, round=round, client=number)
            for number, shard in zip(numbers, shards, strict=True)
        ]
        device, is_block = self._vector.data.device, len(numbers) > 1

        def batch(step: int) -> tuple[Tensor, Tensor]:
            indices = torch.from_numpy(np.stack([one.indices(step) for one in batches]))
            y = train.y.index_select(0, indices.view(-1)).view(*indices.shape, *train.y.shape[1:])
            x = train.x.index_select(0, indices.view(-1)).view(*indices.shape, *train.x.shape[1:])
            if self._transform is not None:
                for samples, rows, number in zip(x, indices.numpy(), numbers, strict=True):
                    samples.copy_(self._transform(samples, rows, number))
            for samples, labels, attack in zip(x, y, attacks, strict=True):
                if attack is not None:
                    attack.poison(samples, labels)
            return (x if is_block else x[0]).to(device), (y if is_block else y[0]).to(device)

        def positions(step: int) -> Tensor:
            return torch.from_numpy(np.searchsorted(shards[0], batches[0].indices(step))).to(device)

        tensors = {name: torch.tensor(values, device=device) for name, values in kept.items() if name != OWN}
        return Client(
            number=numbers if is_block else numbers[0],
            round=round,
            seed=spec.seed,
            steps=spec.clients.local_steps,
            model=self._stacked_model if is_block else self._model,
            vector=self._stacked if is_block else self._vector,
            batch=batch,
            positions=positions,
            samples=len(shards[0]),
            optimizer_state={name: tensor for name, tensor in tensors.items() if not name.startswith(MEMORY)},
            prepared=None if is_block else self._prepared,
            memory={name.removeprefix(MEMORY): tensor for name, tensor in tensors.items() if name.startswith(MEMORY)},
        )

    def _advance_runs(self, runs: list[_Run], answers: _Answers, broadcast: Float32Array, outbox: _Outbox) -> Waiting:
        for run in runs:
            if run.waiting is Waiting.NOTHING or (run.waiting is Waiting.COHORT and run.barriers != answers.barrier):
                continue
            if len(run.numbers) > 1:
                self._drive_block(run, broadcast, outbox)
            else:
                self._drive(run, answers.take(run, outbox.traffic), broadcast, outbox)
            if run.waiting in (Waiting.ROOM, Waiting.REPLY):
                return run.waiting
            if outbox.bytes >= CHUNK_BYTES and run is not runs[-1]:
                return Waiting.ROOM
        return Waiting.COHORT if any(run.waiting is Waiting.COHORT for run in runs) else Waiting.NOTHING

    def _drive(self, run: _Run, answer: Float32Array | None, broadcast: Float32Array, outbox: _Outbox) -> None:
        """Run one client until it is done or waits; afterwards `run.waiting` says which."""
        cut, goes_on = run.cuts[0], run.go_on[0]
        if cut == run.uploads and not goes_on:
            self._leave(run)
            return
        self._activate(run, broadcast)
        reply = None if answer is None else torch.tensor(answer).to(self._vector.data.device)
        run.waiting = None
        while run.waiting is None:
            try:
                message = run.generator.send(reply)
            except StopIteration as end:
                self._active = None
                self._finish(run, [end.value], self._vector, broadcast, outbox)
                return
            reply = None
            if isinstance(message, Exchange):
                accounting.count_exchange_up(outbox.traffic, message)
                run.barriers += 1
                run.scalars, run.seeds = np.array(message.scalars.cpu().numpy()), message.seeds
                if (attack := run.attacks[0]) is not None:
                    run.scalars = attack.scalars(run.round, run.numbers[0], run.barriers, run.scalars)
                run.waiting = Waiting.COHORT
            else:
                if cut is None or run.uploads < cut:
                    outbox.take_upload(run.numbers[0], message, *self._changes(run, 0, run.uploads))
                else:
                    outbox.count_upload(message)
                run.uploads += 1
                if self._method.coupled:
                    run.waiting = Waiting.REPLY
                elif cut == run.uploads and not goes_on:
                    self._leave(run)
                elif outbox.bytes >= CHUNK_BYTES:
                    run.waiting = Waiting.ROOM
            del message

    def _drive_block(self, run: _Run, broadcast: Float32Array, outbox: _Outbox) -> None:
        """Run a block to its end. Its uploads leave client by client, as if one client had run after another."""
        self._stacked.hold(len(run.numbers))
        self._stacked.load(broadcast, self._method.shared_parts)
        uploads: list[Upload] = []
        while run.waiting is None:
            try:
                message = next(run.generator)
            except StopIteration as end:
                for position, number in enumerate(run.numbers):
                    for index, upload in enumerate(uploads[: run.cuts[position]]):
                        own = Upload(z=upload.z[position], y=upload.y[position])
                        outbox.take_upload(number, own, *self._changes(run, position, index))
                    for upload in uploads[run.cuts[position] :] if run.go_on[position] else ():
                        outbox.count_upload(Upload(z=upload.z[position], y=upload.y[position]))
                self._finish(run, _of_each(end.value, len(run.numbers)), self._stacked, broadcast, outbox)
            else:
                uploads.append(cast(Upload, message))

    def _changes(self, run: _Run, position: int, upload: int) -> tuple[Protect | None, Forge | None]:
        """What the client at a position of a run makes of its upload of that index, to protect it and to attack."""
        number, attack, protection = run.numbers[position], run.attacks[position], self._protection
        return (
            None if protection is None else protection.of_upload(run.round, number, upload),
            None if attack is None else attack.forge(run.round, number, upload),
        )

    def _leave(self, run: _Run) -> None:
        """End a client's round without an update; what it kept before the round it still keeps."""
        run.waiting = Waiting.NOTHING
        run.generator.close()
        if self._active is run:
            self._active = None

    def _activate(self, run: _Run, broadcast: Float32Array) -> None:
        """Give the model buffers to `run`, putting the vector of a client that is not done aside."""
        if self._active is run:
            return
        if self._active is not None:
            self._active.saved = self._vector.state.clone()
        if run.waiting is None:
            self._vector.load(broadcast, self._method.shared_parts)
            self._vector.load(run.kept.get(OWN, self._initial), self._method.own_parts)
        elif run.saved is not None:
            self._vector.state.copy_(run.saved)
            run.saved = None
        self._active = run

    def _finish(
        self, run: _Run, updates: Sequence[ClientUpdate], vector: FlatVector, broadcast: Float32Array, outbox: _Outbox
    ) -> None:
        """Take what clients end their round with, in order; `vector` holds the parameters of all of them."""
        run.waiting = Waiting.NOTHING
        shared = self._method.shared_parts
        trained = vector.numpy(shared).reshape(len(run.numbers), -1)
        probes = self._probe_figures(run)
        for number, attack, cut, goes_on, update, values, figures in zip(
            run.numbers, run.attacks, run.cuts, run.go_on, updates, trained, probes, strict=True
        ):
            if cut is not None and not goes_on:
                continue
            if figures is not None:
                outbox.probes.append(figures)
            if update.loss is not None:
                outbox.losses.append((number, update.loss.item()))
            accounting.count_update(outbox.traffic, self._method, self._vector, update)
            kept = self._kept(update)
            if update.script is not None:
                script = update.script if attack is None else attack.script(run.round, number, update.script)
                outbox.take_update(number, vector.statistics(shared).reshape(-1), script, kept)
            elif shared or kept:
                own = values - broadcast
                if self._protection is not None:
                    own = self._protection.update(run.round, number, own)
                outbox.take_update(number, own if attack is None else attack.update(run.round, number, own), None, kept)

    def _probe_figures(self, run: _Run) -> list[ProbeFigures | None]:
        """Of each client of a run."""
        if not run.told or self._per_difference is None:
            return [None] * len(run.numbers)
        told, run.told = torch.stack(run.told), None
        rows = told.cpu().double().numpy().reshape(len(told), -1).T / self._per_difference
        return [
            ProbeFigures(count=len(row), zeros=int((row == 0).sum()), sum=float(row.sum()), squares=float(np.square(row).sum()))
            for row in np.ascontiguousarray(rows)
        ]

    def _kept(self, update: ClientUpdate) -> ClientState:
        """What a client that has ended its round keeps for its next one. Aligned parts are kept as they came."""
        kept = {f"{MEMORY}{name}": tensor.cpu().numpy() for name, tensor in update.memory.items()}
        if self._method.keeps_optimizer_state:
            kept |= {name: tensor.cpu().numpy() for name, tensor in update.state.items()}
        if personal := self._method.parts_to_be(Fate.PERSONAL):
            kept[OWN] = self._vector.numpy(personal)
        return kept

    def _pack_updates(self, chunk: Chunk, outbox: _Outbox) -> Updates | None:
        if not outbox.updates:
            return None
        numbers, vectors, told, states = zip(*outbox.updates, strict=True)
        rows, scripts = np.stack(vectors), [script for script in told if script is not None]
        return Updates(
            round=chunk.round,
            clients=numbers,
            attackers=chunk.attackers,
            late=chunk.late,
            samples=tuple(len(self._setup.shards[number]) for number in numbers),
            vectors=None if scripts else rows,
            scripts=_pack_scripts(scripts, rows) if scripts else None,
            states=states,
        )


def _per_difference(method: Method[Any], size: int) -> float | None:
    """The coefficient of a probe whose losses differ by 1; None where the method's clients make no probes."""
    if not method.spec.probes_clients:
        return None
    spec: ZerothOrderSpec = method.spec.zeroth_order
    width = spec.mu if spec.difference == "forward" else 2 * spec.mu
    return estimate_scale(spec.direction, size) / (width * spec.probes)


def _of_each(update: ClientUpdate, clients: int) -> list[ClientUpdate]:
    """What each client of a block ends its round with."""
    losses: Sequence[Tensor | None] = [None] * clients if update.loss is None else update.loss.unbind()
    scripts: list[Script | None] = [None] * clients
    if update.script is not None:
        seeds = zip(*update.script.seeds, strict=True)
        columns = update.script.coefficients.unbind(dim=1)
        scripts = [Script(seeds=own, coefficients=column) for own, column in zip(seeds, columns, strict=True)]
    return [ClientUpdate(loss=loss, script=script) for loss, script in zip(losses, scripts, strict=True)]


def _pack_scripts(scripts: list[Script], statistics: Float32Array) -> Scripts:
    return Scripts(
        seeds=np.array([script.seeds for script in scripts], dtype=np.uint64),
        coefficients=np.stack([script.coefficients.cpu().numpy() for script in scripts]),
        statistics=statistics,
    )


def _copied_out(tensor: Tensor) -> Float32Array:
    """The client's tensor in an array of the default order, which is nobody else's."""
    array: Float32Array = tensor.cpu().numpy()
    return np.ascontiguousarray(array) if tensor.is_cuda else np.array(array, order="C")


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays one after another; one alone is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _pack_uploads(chunk: Chunk, outbox: _Outbox) -> Uploads | None:
    if not outbox.uploads:
        return None
    clients, zs, ys, others = zip(*outbox.uploads, strict=True)
    return Uploads(
        round=chunk.round,
        clients=clients,
        attackers=chunk.attackers,
        sizes=tuple(len(y) for y in ys),
        z=_joined(zs),
        y=_joined(ys),
        also={kind: _joined([also[kind] for also in others]) for kind in others[0]},
    )
