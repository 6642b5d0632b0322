"""What one client costs: counted FLOPs, tracked peak memory, traffic of a round.

The method's own generator runs for one round on meta tensors (shapes without values) under the meters, so the figures need
no data and no time, and cannot depend on the method's name.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heron_ray.measure.flops import FlopMeter
from heron_ray.measure.memory import MemoryTracker
from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import Client, ClientUpdate, Exchange, Method, Upload, make_method
from heron_ray.methods.method import ClientRound, Message
from heron_ray.models import build_model
from heron_ray.spec import ExperimentSpec
from heron_ray.vectors import FlatVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Costs of one client with full batches.

    Attributes:
        method: The method's kind.
        client_macs_per_step: Multiply-accumulates per local step, mean over a round; counted in matrix products and
            convolutions.
        client_flops_per_step: Two per multiply-accumulate.
        client_peak_bytes: The most bytes of tensors a client holds at once during its round.
        client_peak_parts: What that peak is made of, in bytes by part.
        traffic_per_round_bytes: Of the whole cohort: {"up": {kind: bytes}, "down": {kind: bytes}}.
        messages_per_round: Of the whole cohort, both directions.
    """

    method: str
    client_macs_per_step: int
    client_flops_per_step: int
    client_peak_bytes: int
    client_peak_parts: dict[str, int]
    traffic_per_round_bytes: dict[str, dict[str, int]]
    messages_per_round: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


def profile(spec: ExperimentSpec) -> Profile:
    """Measure one client's round of `spec`."""
    method = make_method(spec.method)
    meter, tracker, traffic = FlopMeter(), MemoryTracker(), TrafficLedger()
    client = _meta_client(spec, method, tracker)
    tracker.label(client.vector.data, "parameters")
    if method.synchronised:
        traffic.add_model("down", client.vector.part_sizes)
    update = _run_metered(method.client_round(client), method.coupled, meter, tracker, traffic)
    if method.synchronised:
        traffic.add_model("up", client.vector.part_sizes)
    for name, buffer in client.vector.buffers.items():
        tracker.label(buffer, name)
    for tensor in update.state.values():
        tracker.label(tensor, "optimizer_state")
    cohort = spec.clients.cohort
    return Profile(
        method=spec.method.kind,
        client_macs_per_step=meter.macs // spec.clients.local_steps,
        client_flops_per_step=meter.flops // spec.clients.local_steps,
        client_peak_bytes=tracker.peak_bytes,
        client_peak_parts=tracker.peak_parts,
        traffic_per_round_bytes={
            "up": {kind: count * cohort for kind, count in sorted(traffic.up.items())},
            "down": {kind: count * cohort for kind, count in sorted(traffic.down.items())},
        },
        messages_per_round=traffic.messages * cohort,
    )


def _meta_client(spec: ExperimentSpec, method: Method[Any], tracker: MemoryTracker) -> Client:
    shape, size = spec.data.input_shape, spec.clients.batch_size
    model = build_model(spec.model, input_shape=shape, classes=spec.data.classes, seed=spec.seed, device="meta")

    def batch(_: int) -> tuple[Tensor, Tensor]:
        x, y = torch.empty(size, *shape, device="meta"), torch.empty(size, dtype=torch.int64, device="meta")
        tracker.label(x, "input")
        tracker.label(y, "input")
        return x, y

    return Client(
        number=0,
        round=1,
        seed=spec.seed,
        steps=spec.clients.local_steps,
        model=model,
        vector=FlatVector(model.parts(method.client_parts)),
        batch=batch,
    )


def _run_metered(
    run: ClientRound, coupled: bool, meter: FlopMeter, tracker: MemoryTracker, traffic: TrafficLedger
) -> ClientUpdate:
    """Run a client to its end; only its own work is metered."""
    reply: Tensor | None = None
    while True:
        try:
            with tracker, meter:
                message = run.send(reply)
        except StopIteration as end:
            update: ClientUpdate = end.value
            return update
        reply = _reply(message, coupled, traffic)
        if reply is not None:
            tracker.label(reply, "reply")
        if isinstance(message, Upload):
            tracker.relabel(message.z, "smashed")
        del message


def _reply(message: Message, coupled: bool, traffic: TrafficLedger) -> Tensor | None:
    """Count a message and its answer; an answer has the shape of what it answers."""
    if isinstance(message, Exchange):
        for direction in ("up", "down"):
            traffic.add(direction, scalars=message.scalars.nbytes)
        return torch.empty_like(message.scalars)
    traffic.add_upload(message.z, message.y)
    if not coupled:
        return None
    traffic.add_gradient(message.z)
    return torch.empty_like(message.z)
