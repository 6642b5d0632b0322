"""What every failure signature offers, and what it is shown."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from heron_ray.methods import make_method
from heron_ray.simulation.front_control import FrontJudgement
from heron_ray.simulation.messages import ProbeFigures
from heron_ray.simulation.roles.scrutiny import Scrutiny
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.method import ZerothOrderSpec


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is known before the first round: the set-up, and the bytes that a client's round saves for backward passes."""

    setup: Setup
    saved_bytes: int

    @property
    def spec(self) -> ExperimentSpec:
        """The experiment."""
        return self.setup.spec

    @property
    def zeroth_order(self) -> ZerothOrderSpec:
        """How clients probe; only methods whose clients do have it."""
        method: Any = self.spec.method
        probing: ZerothOrderSpec = method.zeroth_order
        return probing

    @functools.cached_property
    def parameters(self) -> int:
        """The number d of parameters that a client holds; builds the model once."""
        parts = self.setup.build_model().parts(make_method(self.spec.method).client_parts)
        return sum(one.numel() for part in parts.values() for one in part.parameters())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One round.

    Attributes:
        round: The round t.
        metrics: Its series by name; those of an evaluation only where one was made.
        cohort: The sampled clients.
        finished: The clients whose work of this or an earlier round was taken in this one.
        probes: The loss differences of all clients' probes.
        scrutiny: What the updates looked like.
        filtered: By client, how many of its uploads the main server's filter refused, and how many came.
    """

    round: int
    metrics: Mapping[str, float]
    cohort: tuple[int, ...]
    finished: tuple[int, ...]
    probes: ProbeFigures
    scrutiny: Scrutiny
    filtered: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_judged(self) -> bool:
        """Whether there was an evaluation."""
        return "validation_accuracy" in self.metrics

    @property
    def loss(self) -> float | None:
        """The clients' mean loss, or the main server's where clients know none; None where nobody took part."""
        return self.metrics.get("client_loss", self.metrics.get("server_loss"))


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The run's end after `round`: its last scores, and the cheap control (None where the method trains no shared front)."""

    round: int
    scores: Mapping[str, float]
    front: FrontJudgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a signature shows: what is the matter, what to do about it, and the figures behind it (plain JSON values)."""

    message: str
    advice: str
    figures: Mapping[str, Any]


class Signature:
    """One way in which runs fail. It is asked until it finds something, then never again.

    Args:
        run: What is known beforehand.

    Attributes:
        name: What its event is called.
    """

    name: ClassVar[str]

    def __init__(self, run: Run) -> None:
        """Nothing has been seen."""
        self.run = run

    def observe(self, seen: Seen) -> Finding | None:
        """Look at a round; rounds come in order, none twice."""
        del seen
        return None

    def conclude(self, end: End) -> Finding | None:
        """Look at the run's end; a longer run does not know of it."""
        del end
        return None

    def state(self) -> dict[str, Any]:
        """What must be kept to continue: plain JSON values."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave."""
