"""The seam between algorithms and the simulation that runs them.

Shapes: B = batch, P = parameters of the client's parts, C = classes, S = scalars exchanged. Of text, labels are the next tokens
[B, L] of L tokens each, and logits [B L, C].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Generic, Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from heron_ray.models import stacked
from heron_ray.models.forwards import ClientForwards, eager_forwards
from heron_ray.models.objectives import Objective
from heron_ray.models.split import Part, SplitModel
from heron_ray.optimizers import Optimizer, make_optimizer, whole
from heron_ray.seeds import Purpose, derive
from heron_ray.spec.optimizer import OptimizerSpec
from heron_ray.vectors import FlatVector, Float32Array
from heron_ray.zo import Seed

Reply: TypeAlias = Literal["gradients", "scalars", "logits"]


class Fate(Enum):
    """What becomes of a part that a client holds."""

    AVERAGED = "trained by clients, uploaded, averaged and broadcast"
    REPLAYED = "trained by all clients alike from scalars that all of them know, so that no parameters travel"
    PERSONAL = "trained by each client for itself and kept by it; it never travels"
    ALIGNED = "one per client, trained by the main server, which sends it down when it changes"
    FIXED = "keeps its initial values and never travels"


@dataclass(slots=True, kw_only=True)
class Upload:
    """Smashed data z [B, *cut] and labels y [B] for the main server; `also` holds other tensors [B, ...] by kind of traffic.

    A coupled method's client gets what its `server_step` answers.
    """

    z: Tensor
    y: Tensor
    also: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Scalars [S] to be averaged over the cohort: a barrier. Every client of the cohort gets the mean in reply.

    `seeds` says how many seeds come down beside the mean.
    """

    scalars: Tensor
    seeds: int = 0


Message: TypeAlias = Upload | Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A round of zeroth-order steps, complete: who knows it can replay it. h steps of q probes each.

    Attributes:
        seeds: The seeds of all directions, h * q of them, step after step.
        coefficients: Their coefficients [h * q]; of K clients [h * q, K].
    """

    seeds: Sequence[Seed]
    coefficients: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUpdate:
    """What a client ends its round with; its trained parameters are read from its vector.

    Attributes:
        loss: Mean loss over the local steps, before each step (a scalar, or [K]); None where the client knows no loss.
        state: Its optimizer's state, which it keeps until it is sampled again if the optimizer lives as long as the run.
        memory: What else it keeps until then, by name; empty for most methods.
        script: What it uploads in place of its parameters; None where these go up themselves.
    """

    loss: Tensor | None = None
    state: Mapping[str, Tensor] = field(default_factory=dict)
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    script: Script | None = None


ClientRound: TypeAlias = Generator[Message, Tensor | None, ClientUpdate]


@dataclass(slots=True, kw_only=True)
class Client:
    """One virtual client during one round, as its method sees it.

    Methods that stack get K clients in the place of one: then theta is [K, P], batches and losses have a leading K as well,
    and the arithmetic is that of `heron_ray.models.stacked`.

    Attributes:
        number: Which client of the population, or which clients.
        round: The round t, counted from 1.
        seed: The experiment's seed.
        steps: Local steps h.
        model: The parts this client holds; other parts are absent in spirit and must not be used.
        vector: The client's parameters, flat; `vector.data` is theta.
        batch: Step to (x [B, *input], y [B]).
        positions: Step to where the batch's samples stand among the client's own [B], counted from 0.
        samples: How many samples the client holds.
        optimizer_state: Optimizer state kept from the client's previous round, empty if none.
        memory: What else it kept from there, empty if nothing.
        prepared: Its forward passes, with its method's objective, where they are compiled or captured; else None.
        told: Takes the coefficients of its probes, step after step, where somebody watches them; they change nothing.
    """

    number: int | tuple[int, ...]
    round: int
    seed: int
    steps: int
    model: SplitModel
    vector: FlatVector
    batch: Callable[[int], tuple[Tensor, Tensor]]
    positions: Callable[[int], Tensor]
    samples: int
    optimizer_state: Mapping[str, Tensor] = field(default_factory=dict)
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    prepared: ClientForwards | None = None
    told: list[Tensor] | None = None

    def tell(self, coefficients: Sequence[Tensor]) -> None:
        """Let a step's probes be seen, where somebody watches them."""
        if self.told is not None:
            self.told += coefficients

    def forwards(self, objective: Objective) -> ClientForwards:
        """The forward passes of a client that takes no gradients."""
        return self.prepared or eager_forwards(self.model, objective)

    def direction_seeds(self, step: int, probes: int) -> list[Seed]:
        """The seeds of the probes' directions in one local step; every client draws its own."""
        if isinstance(self.number, int):
            return [*direction_seeds(self.seed, self.round, self.number, step, probes)]
        return [*zip(*(direction_seeds(self.seed, self.round, one, step, probes) for one in self.number), strict=True)]

    def zeros(self) -> Tensor:
        """A scalar, or one for each of K clients."""
        return self.vector.data.new_zeros(self.vector.data.shape[:-1])

    def optimizer(self, spec: OptimizerSpec) -> Optimizer:
        """The client's optimizer, continuing from its kept state."""
        optimizer = make_optimizer(spec)
        optimizer.load(self.optimizer_state)
        return optimizer


@dataclass(slots=True, kw_only=True)
class MainServer:
    """The main server as a method sees it.

    Attributes:
        seed: The experiment's seed.
        model: The split model; `model.back` is what the server trains.
        vector: The back model's parameters, flat.
        client_vector: The parameters of the client's parts, flat, as scratch space: they hold whatever was left.
        optimizer: Its optimizer.
        round: The present round t, counted from 1.
        client: Whose upload is being served.
        upload: How many uploads of that client were served before in this round.
        kept: Whatever the method has the server remember from round to round; it goes into checkpoints.
    """

    seed: int
    model: SplitModel
    vector: FlatVector
    client_vector: FlatVector
    optimizer: Optimizer
    round: int = 1
    client: int = 0
    upload: int = 0
    kept: dict[str, Tensor] = field(default_factory=dict)

    @property
    def back(self) -> nn.Module:
        """The back model."""
        return self.model.back

    def step(self, upload: Upload) -> Tensor:
        """One ordinary gradient step on the back model; returns the cross-entropy before it.

        Where `upload.z` requires a gradient, dL/dz is left in `upload.z.grad`.
        """
        loss = stacked.cross_entropy(self.logits(upload.z), upload.y)
        self.descend(loss)
        return loss.detach()

    def logits(self, z: Tensor) -> Tensor:
        """The back model's logits [B, C], ready for `descend`."""
        self.vector.gradient()
        logits: Tensor = self.back(z)
        return logits

    def descend(self, loss: Tensor) -> None:
        """Backpropagate a loss, and step."""
        gradient = self.vector.gradient().zero_()
        torch.autograd.backward(loss)
        self.optimizer.step(self.vector.data, whole(gradient))


SectionT = TypeVar("SectionT")


class Method(ABC, Generic[SectionT]):
    """One training method.

    Args:
        spec: The method's section.

    Attributes:
        parts: The parts a client holds, in the order in which they lie in its vector, and what becomes of each.
        reply: What the main server answers each upload with; None for a decoupled method. Clients of a coupled method
            are served one after another.
        stacks: Whether `client_round` serves K clients at once as well, where these keep nothing. Only for decoupled methods.
        server_copies: Whether each client of a cohort has a copy of the back model to itself during a round, the copies
            being averaged in the end. A copy begins its round with fresh optimizer state.
    """

    parts: ClassVar[Mapping[Part, Fate]]
    reply: ClassVar[Reply | None] = None
    stacks: ClassVar[bool] = False
    server_copies: ClassVar[bool] = False

    def __init__(self, spec: SectionT) -> None:
        """Follow `spec`."""
        self.spec = spec

    @property
    def client_parts(self) -> tuple[Part, ...]:
        """The parts a client holds."""
        return tuple(self.parts)

    def parts_to_be(self, *fates: Fate) -> tuple[Part, ...]:
        """The client's parts with one of these fates."""
        return tuple(part for part, fate in self.parts.items() if fate in fates)

    @property
    def shared_parts(self) -> tuple[Part, ...]:
        """The parts that are the same for all clients when a round begins, and change."""
        return self.parts_to_be(Fate.AVERAGED, Fate.REPLAYED)

    @property
    def own_parts(self) -> tuple[Part, ...]:
        """The parts of which every client has its own."""
        return self.parts_to_be(Fate.PERSONAL, Fate.ALIGNED)

    @property
    def coupled(self) -> bool:
        """Whether a client waits for an answer to each upload."""
        return self.reply is not None

    @property
    def has_main_server(self) -> bool:
        """Whether there is a main server that holds the back model."""
        return "back" not in self.parts

    @property
    def keeps_optimizer_state(self) -> bool:
        """Whether a client's optimizer outlives its round."""
        return getattr(self.spec, "client_optimizer_lifetime", "round") == "run"

    @property
    def keeps_state(self) -> bool:
        """Whether a client keeps anything between its rounds."""
        return bool(self.own_parts) or self.keeps_optimizer_state

    @abstractmethod
    def client_round(self, client: Client) -> ClientRound:
        """One client's round: a generator of what it sends, ending in its update."""

    def server_step(self, server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
        """What the main server does with one upload; returns its loss and the reply."""
        return server.step(upload), None

    def server_round_end(self, server: MainServer) -> Mapping[int, Float32Array]:
        """What the main server does after a round; returns new values of the aligned parts, by client."""
        del server
        return {}

    def losses(self, model: SplitModel, x: Tensor, y: Tensor) -> Tensor:
        """The losses [B], or of all tokens that count, whose mean a client descends; of the back model, or the method's own."""
        return stacked.losses(model.back(model.front(x)), y)

    def replay(self, vector: FlatVector, script: Script) -> None:
        """Do to a client's vector at the beginning of a round what the client did to it. Only for methods that give scripts."""
        raise NotImplementedError(f"{type(self).__name__} gives no script")


def direction_seeds(seed: int, round: int, client: int, step: int, probes: int) -> list[int]:
    """The seeds of the directions of one step.

    Args:
        seed: The experiment's seed.
        round: The round t.
        client: Who draws; -1 for directions that all clients share.
        step: The local step, counted from 0.
        probes: How many.
    """
    return [derive(seed, Purpose.DIRECTION, round, client, step, probe) for probe in range(probes)]


def is_upload_step(step: int, upload_every: int) -> bool:
    """Whether the smashed data of a local step (counted from 0) go up: every k-th step, beginning with the first."""
    return step % upload_every == 0
