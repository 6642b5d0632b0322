"""The seam between algorithms and the simulation that runs them.

Shapes: B = batch, P = parameters of the client's parts, C = classes, S = scalars exchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from heron_ray.models.split import Part, SplitModel
from heron_ray.optimizers import Optimizer, make_optimizer, whole
from heron_ray.seeds import Purpose, derive
from heron_ray.spec.optimizer import OptimizerSpec
from heron_ray.vectors import FlatVector


@dataclass(slots=True, kw_only=True)
class Upload:
    """Smashed data z [B, *cut] and labels y [B] for the main server. A coupled method's client gets dL/dz in reply."""

    z: Tensor
    y: Tensor


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Scalars [S] to be averaged over the cohort: a barrier. Every client of the cohort gets the mean in reply."""

    scalars: Tensor


Message: TypeAlias = Upload | Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUpdate:
    """What a client ends its round with; its trained parameters are read from its vector.

    Attributes:
        loss: Mean loss over the local steps, before each step (a scalar); None where the client knows no loss.
        state: Optimizer state to be kept until the client is sampled again; empty for most methods.
    """

    loss: Tensor | None = None
    state: Mapping[str, Tensor] = field(default_factory=dict)


ClientRound: TypeAlias = Generator[Message, Tensor | None, ClientUpdate]


@dataclass(slots=True, kw_only=True)
class Client:
    """One virtual client during one round, as its method sees it.

    Attributes:
        number: Which client of the population.
        round: The round t, counted from 1.
        seed: The experiment's seed.
        steps: Local steps h.
        model: The parts this client holds; other parts are absent in spirit and must not be used.
        vector: The client's parameters, flat; `vector.data` is theta.
        batch: Step to (x [B, *input], y [B]).
        kept_state: Optimizer state kept from the client's previous round, empty if none.
    """

    number: int
    round: int
    seed: int
    steps: int
    model: SplitModel
    vector: FlatVector
    batch: Callable[[int], tuple[Tensor, Tensor]]
    kept_state: Mapping[str, Tensor] = field(default_factory=dict)

    def direction_seeds(self, step: int, probes: int) -> list[int]:
        """The seeds of the probes' directions in one local step."""
        return [derive(self.seed, Purpose.DIRECTION, self.round, self.number, step, probe) for probe in range(probes)]

    def optimizer(self, spec: OptimizerSpec) -> Optimizer:
        """The client's optimizer, continuing from its kept state."""
        optimizer = make_optimizer(spec)
        optimizer.load(self.kept_state)
        return optimizer


@dataclass(slots=True, kw_only=True)
class MainServer:
    """The main server as a method sees it: the back model, its flat vector and its optimizer."""

    back: nn.Module
    vector: FlatVector
    optimizer: Optimizer

    def step(self, upload: Upload) -> Tensor:
        """One ordinary gradient step on the back model; returns the loss before it.

        Where `upload.z` requires a gradient, dL/dz is left in `upload.z.grad`.
        """
        gradient = self.vector.gradient().zero_()
        loss = functional.cross_entropy(self.back(upload.z), upload.y)
        torch.autograd.backward(loss)
        self.optimizer.step(self.vector.data, whole(gradient))
        return loss.detach()


class MethodSection(Protocol):
    """What every section of `method` has."""

    @property
    def server_optimizer(self) -> OptimizerSpec:
        """The main server's optimizer."""


SectionT = TypeVar("SectionT", bound=MethodSection)


class Method(ABC, Generic[SectionT]):
    """One training method.

    Args:
        spec: The method's section.

    Attributes:
        client_parts: Parts a client holds, in the order in which they lie in its vector.
        synchronised: Whether those parts are trained by the clients, uploaded, averaged and broadcast. If not, they
            keep their initial values and never travel.
        coupled: Whether the main server answers each upload with dL/dz. Clients of a coupled method are served one
            after another.
        keeps_state: Whether a client's optimizer state is kept between its rounds.
    """

    client_parts: ClassVar[tuple[Part, ...]]
    synchronised: ClassVar[bool] = True
    coupled: ClassVar[bool] = False

    def __init__(self, spec: SectionT) -> None:
        """Follow `spec`."""
        self.spec = spec
        self.keeps_state = getattr(spec, "client_optimizer_lifetime", "round") == "run"

    @abstractmethod
    def client_round(self, client: Client) -> ClientRound:
        """One client's round: a generator of what it sends, ending in its update."""

    def server_step(self, server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
        """What the main server does with one upload; returns its loss and the reply."""
        return server.step(upload), None


def is_upload_step(step: int, upload_every: int) -> bool:
    """Whether the smashed data of a local step (counted from 0) go up: every k-th step, beginning with the first."""
    return step % upload_every == 0
