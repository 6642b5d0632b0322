"""What one client costs: counted FLOPs, tracked peak memory, traffic of a round; and what an upload costs the main server.

The method's own code runs for one round on meta tensors (shapes without values) under the meters, so the figures need
no data and little time, and cannot depend on the method's name. Beside them stand the figures of the paper's own table by
the paper's way of counting, and, where a card is asked for, what the same round takes of the card's memory.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor

from heron_ray.device import use_device
from heron_ray.edge.rhythm import Beat, Rhythm
from heron_ray.measure.flops import FlopMeter
from heron_ray.measure.memory import MemoryTracker
from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import Client, ClientUpdate, Exchange, MainServer, Upload, make_method
from heron_ray.methods.method import Message
from heron_ray.models import initial_model
from heron_ray.optimizers import make_optimizer
from heron_ray.privacy import SecureAggregation, secure_aggregation
from heron_ray.simulation import accounting
from heron_ray.simulation.edge_clients import edge_report
from heron_ray.simulation.paper_convention import PaperConvention, paper_convention
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.fields import without_fields
from heron_ray.vectors import FlatVector, constants

Figures = Mapping[str, int]
Axis = tuple[str, ...]

_PEAK: Final = "peak."
_VECTOR: Final = ("front", "auxiliary", "back", "statistics")
STEPS: Final[Axis] = ("clients", "local_steps")
_INTERVAL: Final[Axis] = ("method", "upload_every")
AXES: Final[tuple[Axis, ...]] = (
    STEPS,
    ("method", "zeroth_order", "probes"),
    ("method", "server_steps"),
    ("method", "server_zeroth_order", "probes"),
)
"""Along these a round grows without bound."""

LONGEST: Final = 6
"""Up to here an axis is measured as it is."""

_SCALES: Final = frozenset({"lr", "mu"})
"""An update or a probe is only multiplied by these."""

_SMALL_PARAMETERS, _SMALL_MACS = 2_000_000, 1_000_000_000
"""Up to here a client's round is run on real tensors."""


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
        server_macs_per_upload: Multiply-accumulates of the main server for one upload; 0 where there is none.
        traffic_per_round_bytes: Of the whole cohort: {"up": {kind: bytes}, "down": {kind: bytes}}; alignments, which come
            after some rounds only, left out.
        messages_per_round: Of the whole cohort, both directions.
        device_peak_bytes: The most bytes that the client's round held of a card's memory, by torch's allocator: what the
            tracker sees, rounded up as the allocator does, and the workspaces of kernels. None unless asked for.
        device_tracked_bytes: The most bytes of tensors that the tracker counted in that same round. More than
            `client_peak_bytes` where a card holds more than a lean client would, for speed.
        paper_convention: The same costs as the paper's table counts them; None where it has no such line.
        secure_aggregation: What one round's secure aggregation of the cohort's updates would send; None where clients upload
            no vectors, or these are not averaged.
        edge: Where devices are simulated: how many clients there are, and how many have too little memory, by device.
    """

    method: str
    client_macs_per_step: int
    client_flops_per_step: int
    client_peak_bytes: int
    client_peak_parts: dict[str, int]
    server_macs_per_upload: int
    traffic_per_round_bytes: dict[str, dict[str, int]]
    messages_per_round: int
    device_peak_bytes: int | None
    device_tracked_bytes: int | None
    paper_convention: PaperConvention | None
    secure_aggregation: SecureAggregation | None
    edge: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; no `edge` where there is none."""
        values = dataclasses.asdict(self)
        if self.edge is None:
            del values["edge"]
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCosts:
    """The figures of a `Profile` that every run reports; beside them, what the client's round saved for backward passes."""

    client_macs_per_step: int
    client_flops_per_step: int
    client_peak_bytes: int
    saved_bytes: int


def client_costs(spec: ExperimentSpec) -> ClientCosts:
    """The same figures as `profile`, sooner where the client is small or this process has measured its like before.

    A small client's round is run on zeros: to touch a meta tensor makes torch import its compiler, which takes seconds.
    """
    if spec.model.kind == "plugin":  # what it builds may have changed
        return _client_costs(spec)
    return _known_costs(_Work.of(spec))


@dataclass(frozen=True, slots=True)
class _Work:
    """What the figures of a client's round depend on, the same for all trials of a sweep over seeds, rates or mu."""

    method: type[Any]
    sections: str
    spec: ExperimentSpec = dataclasses.field(compare=False)

    @classmethod
    def of(cls, spec: ExperimentSpec) -> _Work:
        data, clients = spec.data, spec.clients
        shapes = [data.input_shape, data.target_shape, data.classes, data.is_text, clients.batch_size, clients.local_steps]
        sections = [without_fields(section.model_dump(mode="json"), _SCALES) for section in (spec.method, spec.model)]
        return cls(type(make_method(spec.method)), json.dumps([shapes, sections]), spec)


@functools.lru_cache(maxsize=64)
def _known_costs(work: _Work) -> ClientCosts:
    return _client_costs(work.spec)


def _client_costs(spec: ExperimentSpec) -> ClientCosts:
    figures = _figures(spec, torch.device("cpu" if is_small(spec) else "meta"))
    return ClientCosts(
        client_macs_per_step=figures["macs"] // spec.clients.local_steps,
        client_flops_per_step=figures["flops"] // spec.clients.local_steps,
        client_peak_bytes=sum(_group(figures, _PEAK).values()),
        saved_bytes=figures["saved"],
    )


def is_small(spec: ExperimentSpec) -> bool:
    """Whether a client's round takes well under a second: by its parameters, then by the work of one forward pass."""
    meta = initial_model(spec, "meta")
    parameters = itertools.chain(meta.front.parameters(), meta.auxiliary.parameters(), meta.back.parameters())
    if sum(parameter.numel() for parameter in parameters) > _SMALL_PARAMETERS:
        return False
    model, samples, meter = initial_model(spec), 2, FlopMeter()
    with meter, torch.no_grad():
        z = model.front(_blank_batch(spec, samples, torch.device("cpu"))[0])
        model.auxiliary(z)
        model.back(z)
    return meter.macs // samples * spec.clients.batch_size * 8 * LONGEST**2 <= _SMALL_MACS


def profile(spec: ExperimentSpec, device: Literal["meta", "cuda"] = "meta") -> Profile:
    """Measure one client's round of `spec`.

    Args:
        spec: The experiment; no data are opened.
        device: cuda: the round also runs on the card, on zeros, for `device_peak_bytes` and `device_tracked_bytes`.

    Raises:
        SpecError: There is no card.
    """
    device_peak, device_tracked = _device_peaks(spec) if device == "cuda" else (None, None)
    figures, cohort = _figures(spec, torch.device("meta")), spec.clients.cohort
    peak = _group(figures, _PEAK)
    return Profile(
        method=spec.method.kind,
        client_macs_per_step=figures["macs"] // spec.clients.local_steps,
        client_flops_per_step=figures["flops"] // spec.clients.local_steps,
        client_peak_bytes=sum(peak.values()),
        client_peak_parts=dict(sorted(peak.items(), key=lambda part: (-part[1], part[0]))),
        server_macs_per_upload=figures["server_macs"],
        traffic_per_round_bytes={
            way: {kind: count * cohort for kind, count in sorted(_group(figures, f"{way}.").items())} for way in ("up", "down")
        },
        messages_per_round=figures["messages"] * cohort,
        device_peak_bytes=device_peak,
        device_tracked_bytes=device_tracked,
        paper_convention=paper_convention(spec),
        secure_aggregation=_secure_aggregation(spec, figures),
        edge=None if spec.edge is None else edge_report(spec, sum(peak.values())),
    )


def _secure_aggregation(spec: ExperimentSpec, figures: Figures) -> SecureAggregation | None:
    """For sums only: a robust rule has to see every vector."""
    if not spec.method.sends_vectors() or spec.aggregation.kind != "mean" or spec.aggregation.before:
        return None
    numbers = sum(figures.get(f"up.{part}", 0) for part in _VECTOR) // 4
    return secure_aggregation(spec.clients.cohort, numbers)


def _figures(spec: ExperimentSpec, device: torch.device) -> Figures:
    """All figures of one client's round, by name; parts of the peak begin with `_PEAK`, traffic with `up.` and `down.`."""
    long = [axis for axis in AXES if (count_at(spec, axis) or 1) > LONGEST]
    return _along(spec, long, device, samples=spec.clients.batch_size * spec.clients.local_steps)


def _along(spec: ExperimentSpec, axes: list[Axis], device: torch.device, samples: int) -> Figures:
    """Measure with 2 and with 3 in the place of each long axis, and go on along the straight line through the two.

    Work, messages and payload are straight lines in the number of probes and steps. So is the peak from the second step on: by
    then there is optimizer state, and nothing but scalars is added by further ones.
    """
    if not axes:
        return _measure(spec, device, samples)
    axis, value = axes[0], count_at(spec, axes[0]) or 1
    if axis == STEPS:
        return _along_steps(spec, axes[1:], device, samples)
    two, three = (_along(with_count(spec, axis, count), axes[1:], device, samples) for count in (2, 3))
    return {name: two[name] + (value - 2) * (three[name] - two[name]) for name in three}


def _along_steps(spec: ExperimentSpec, axes: list[Axis], device: torch.device, samples: int) -> Figures:
    """The same for local steps h, which come with and without an upload: lines in h and in the number of uploads."""
    steps, every = spec.clients.local_steps, min(count_at(spec, _INTERVAL) or 1, spec.clients.local_steps)
    uploads = -(-steps // every)

    def measured(steps: int, every: int) -> Figures:
        return _along(with_count(with_count(spec, STEPS, steps), _INTERVAL, every), axes, device, samples)

    if every == 1:
        two, three = measured(2, 1), measured(3, 1)
        return {name: two[name] + (steps - 2) * (three[name] - two[name]) for name in three}
    two, three, again = measured(2, 2), measured(3, 3), measured(3, 2)
    figures = {}
    for name in again:
        with_upload, by_step = again[name] - three[name], three[name] - two[name]
        more = (uploads > 1) if name.startswith(_PEAK) else uploads - 1
        figures[name] = two[name] + (steps - 2) * by_step + more * with_upload
    return figures


def _measure(spec: ExperimentSpec, device: torch.device, samples: int) -> Figures:
    round = MeteredRound(spec, device, samples)
    round.run()
    figures = {"macs": round.meter.macs, "flops": round.meter.flops, "server_macs": round.server_meter.macs}
    figures |= {"messages": round.traffic.messages, "saved": round.tracker.saved_bytes}
    for prefix, counts in ((_PEAK, round.tracker.peak_parts), ("up.", round.traffic.up), ("down.", round.traffic.down)):
        figures |= {f"{prefix}{name}": count for name, count in counts.items()}
    return defaultdict(int, figures)


def _group(figures: Figures, prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in figures.items() if name.startswith(prefix)}


def count_at(spec: ExperimentSpec, axis: Axis) -> int | None:
    """What the spec has there; None where its method has no such field."""
    value: Any = spec
    for name in axis:
        if name not in type(value).model_fields:
            return None
        value = getattr(value, name)
    return int(value)


def with_count(spec: ExperimentSpec, axis: Axis, count: int) -> ExperimentSpec:
    """The spec with another number there, where there is one."""
    if count_at(spec, axis) is None:
        return spec
    *holders, name = axis
    chain: list[Any] = [spec]
    for holder in holders:
        chain.append(getattr(chain[-1], holder))
    changed: Any = count
    for section, field in zip(reversed(chain), reversed([*holders, name]), strict=True):
        changed = section.model_copy(update={field: changed})
    result: ExperimentSpec = changed
    return result


def _device_peaks(spec: ExperimentSpec) -> tuple[int, int]:
    """The peaks of one round on the card, allocator's and tracker's; of what was there before, what the client holds counts."""
    use_device("cuda", path="device", hint="without --device cuda all other figures are the same")
    round = MeteredRound(spec, torch.device("cuda"), spec.clients.batch_size * spec.clients.local_steps)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    round.run()
    return torch.cuda.max_memory_allocated() - before + round.model_bytes, round.tracker.peak_bytes


class MeteredRound:
    """One client's round on a device, on zeros. Only the client's own work is tracked.

    The main server's first answer is counted, the others have its shape; beside a card it lives on meta tensors. `rhythm` is
    there after the run.
    """

    def __init__(self, spec: ExperimentSpec, device: torch.device, samples: int) -> None:
        self._spec, self._device, self._method, self._samples = spec, device, make_method(spec.method), samples
        self._server_device = torch.device("meta") if device.type == "cuda" else device
        self.meter, self.server_meter, self.tracker, self.traffic = FlopMeter(), FlopMeter(), MemoryTracker(), TrafficLedger()
        self._model = initial_model(spec, device)
        self._vector = FlatVector(self._model.parts(self._method.client_parts))
        self._server = self._build_server() if self._method.has_main_server else None
        self._answer: Tensor | None = None
        self._is_served = False
        self._beats: list[Beat] = []
        self.rhythm: Rhythm | None = None

    @property
    def model_bytes(self) -> int:
        """What the client holds before its round: parameters, running statistics and the frozen base of adapters."""
        return self._vector.state.nbytes + sum(constant.nbytes for constant in self._constants())

    def run(self) -> None:
        """Run the client to its end."""
        self.tracker.label(self._vector.state, "parameters")
        for constant in self._constants():
            self.tracker.label(constant, "frozen_base")
        accounting.count_broadcast(self.traffic, self._method, self._vector)
        down_bytes = self.traffic.bytes_down
        update = self._drive()
        up_bytes = self.traffic.bytes_up
        accounting.count_update(self.traffic, self._method, self._vector, update)
        self.rhythm = Rhythm(
            down_bytes=down_bytes,
            beats=tuple(self._beats),
            last_flops=self.meter.flops - sum(beat.flops for beat in self._beats),
            update_bytes=self.traffic.bytes_up - up_bytes,
            server_flops=self.server_meter.flops,
        )
        for name, buffer in self._vector.buffers.items():
            self.tracker.label(buffer, name)
        for tensor in update.state.values():
            self.tracker.label(tensor, "optimizer_state")
        for tensor in update.memory.values():
            self.tracker.label(tensor, "memory")

    def _drive(self) -> ClientUpdate:
        generator, reply = self._method.client_round(self._client()), None
        while True:
            try:
                with self.tracker, self.meter:
                    message = generator.send(reply)
            except StopIteration as end:
                update: ClientUpdate = end.value
                return update
            reply = self._take(message)
            del message  # the client may have nothing left of what it sent

    def _take(self, message: Message) -> Tensor | None:
        """Count and name what a client sends, and its answer."""
        up_bytes, down_bytes = self.traffic.bytes_up, self.traffic.bytes_down
        reply = self._reply(message)
        self._beats.append(
            Beat(
                kind="upload" if isinstance(message, Upload) else "exchange",
                flops=self.meter.flops - sum(beat.flops for beat in self._beats),
                up_bytes=self.traffic.bytes_up - up_bytes,
                down_bytes=self.traffic.bytes_down - down_bytes,
            )
        )
        if reply is not None:
            self.tracker.label(reply, "reply")
        if isinstance(message, Upload):
            for tensor in (message.z, *message.also.values()):
                self.tracker.relabel(tensor, "smashed")
        return reply

    def _client(self) -> Client:
        size, steps = self._spec.clients.batch_size, self._spec.clients.local_steps

        def batch(_: int) -> tuple[Tensor, Tensor]:
            x, y = _blank_batch(self._spec, size, self._device)
            self.tracker.label(x, "input")
            self.tracker.label(y, "input")
            return x, y

        return Client(
            number=0,
            round=1,
            seed=self._spec.seed,
            steps=steps,
            model=self._model,
            vector=self._vector,
            batch=batch,
            positions=lambda _: torch.zeros(size, dtype=torch.int64, device=self._device),
            samples=self._samples,
        )

    def _constants(self) -> list[Tensor]:
        return constants(*self._model.parts(self._method.client_parts).values())

    def _build_server(self) -> MainServer:
        model = initial_model(self._spec, self._server_device)
        return MainServer(
            seed=self._spec.seed,
            model=model,
            vector=FlatVector({"back": model.back}),
            client_vector=FlatVector(model.parts(self._method.client_parts)),
            optimizer=make_optimizer(self._method.spec.server_optimizer),
        )

    def _reply(self, message: Message) -> Tensor | None:
        if isinstance(message, Exchange):
            accounting.count_exchange_up(self.traffic, message)
            mean = torch.zeros_like(message.scalars)
            accounting.count_exchange_down(self.traffic, mean, message.seeds)
            return mean
        accounting.count_upload(self.traffic, message.z, message.y, message.also)
        if not self._is_served:
            self._serve(message)
        if self._method.reply is None or self._answer is None:
            return None
        reply = torch.zeros_like(self._answer, device=self._device)
        accounting.count_reply(self.traffic, self._method.reply, reply)
        return reply

    def _serve(self, upload: Upload) -> None:
        """Have the main server answer an upload like this one."""
        self._is_served = True
        if self._server is None:
            return
        also = {kind: self._like(tensor) for kind, tensor in upload.also.items()}
        twin = Upload(z=self._like(upload.z), y=self._like(upload.y), also=also)
        with self.server_meter:
            _, self._answer = self._method.server_step(self._server, twin)

    def _like(self, tensor: Tensor) -> Tensor:
        """Zeros of the same shape for the main server."""
        return torch.zeros(tensor.shape, dtype=tensor.dtype, device=self._server_device)


def _blank_batch(spec: ExperimentSpec, samples: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Samples and labels of the spec's shapes, all zero."""
    data = spec.data
    x = torch.zeros(samples, *data.input_shape, dtype=torch.int64 if data.is_text else torch.float32, device=device)
    return x, torch.zeros(samples, *data.target_shape, dtype=torch.int64, device=device)
