"""What a run tells the world: small typed events, and the `Sink` that receives them.

A sink may be the service, a JSONL file, a progress bar or a test's list. An event is a pure function of the spec and the
round, except for wall-clock durations, so a run resumed from a checkpoint emits the same events again and a
receiver can tell them apart by `key`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. Of those with `one_per`, a run has one for each value of that field; of others, one."""

    kind: ClassVar[str]
    one_per: ClassVar[str | None] = None

    @property
    def key(self) -> str:
        """Names the event within its run: the same event emitted again after a resume has the same key."""
        return self.kind if self.one_per is None else f"{self.kind}:{getattr(self, self.one_per)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: `kind`, `key` and the fields."""
        return {"kind": self.kind, "key": self.key, **dataclasses.asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """The clients' data are partitioned and the roles are ready; `after_round` is 0 for a fresh run.

    `byzantine` lists the numbers of the run's Byzantine clients. `edge`, only where devices are simulated, tells how many
    clients there are and how many have too little memory for the method, by device.
    """

    kind: ClassVar[str] = "started"
    one_per: ClassVar[str | None] = "after_round"
    rounds: int
    after_round: int
    partition: Mapping[str, Any]
    byzantine: list[int] = field(default_factory=list)
    edge: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; no `edge` where there is none."""
        values = {"kind": self.kind, "key": self.key, **dataclasses.asdict(self)}
        if self.edge is None:
            del values["edge"]
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFinished(Event):
    """A round is over. `metrics` maps series names to values; those of an evaluation are there only when one was made."""

    kind: ClassVar[str] = "round_finished"
    one_per: ClassVar[str | None] = "round"
    round: int
    rounds: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLosses(Event):
    """The training losses of a round's single clients, where `evaluation.client_losses` asks for them."""

    kind: ClassVar[str] = "client_losses"
    one_per: ClassVar[str | None] = "round"
    round: int
    clients: list[int]
    losses: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HessianSpectrum(Event):
    """The density of eigenvalues of the Hessian of the clients' loss after a round, where `evaluation.spectrum` asks for it.

    `nodes` are eigenvalues, ascending, `weights` how much of the density lies at each; both finite, [n] with n at most 256.
    """

    kind: ClassVar[str] = "spectrum"
    one_per: ClassVar[str | None] = "round"
    round: int
    nodes: list[float]
    weights: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Event):
    """The run's figures show a known way of going wrong; once per run and name (see `heron_ray.simulation.diagnoses`).

    `message` says what is the matter, `advice` what to do about it, `figures` what was measured.
    """

    kind: ClassVar[str] = "diagnosis"
    one_per: ClassVar[str | None] = "name"
    round: int
    name: str
    message: str
    advice: str
    figures: Mapping[str, Any]

    def told(self) -> dict[str, Any]:
        """Its fields alone: plain JSON values, as they stand in a result."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """A verified checkpoint of the state after `round` is on disk."""

    kind: ClassVar[str] = "checkpoint_saved"
    one_per: ClassVar[str | None] = "round"
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRejected(Event):
    """A checkpoint on disk failed verification and an earlier one is used."""

    kind: ClassVar[str] = "checkpoint_rejected"
    one_per: ClassVar[str | None] = "path"
    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The run ended by itself or was asked to; `result` has the keys of `heron run --json`."""

    kind: ClassVar[str] = "finished"
    result: Mapping[str, Any]


class Sink(Protocol):
    """Receives a run's events, in order."""

    def emit(self, event: Event) -> None:
        """Take one event; must not change it."""


class ListSink:
    """Keeps events in a list."""

    def __init__(self) -> None:
        """Start empty."""
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Append."""
        self.events.append(event)


class JsonlSink:
    """Writes one JSON object per line."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`, which stays the caller's to close."""
        self._stream = stream

    def emit(self, event: Event) -> None:
        """Write and flush one line."""
        self._stream.write(json.dumps(event.to_dict()) + "\n")
        self._stream.flush()


class Tee:
    """Passes every event on to several sinks."""

    def __init__(self, *sinks: Sink) -> None:
        """Receive in the order given."""
        self._sinks = sinks

    def emit(self, event: Event) -> None:
        """Pass on."""
        for sink in self._sinks:
            sink.emit(event)
