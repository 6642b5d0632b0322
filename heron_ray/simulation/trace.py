"""Where the time of a run's processes goes, and how little the same round could take as bare torch.

Nothing in the code of roles and methods knows of it: while a recorder is at work, functions at the seams between them are
replaced by timed ones, and put back afterwards. A round that is not traced therefore pays nothing. Times are those of the
process's one working thread; on a CUDA device, where kernels run behind the host's back, they say where the host waited.

A part counts its own time only, without that of the parts inside it, so all parts of a process add up to its whole.
"""

from __future__ import annotations

import functools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from heron_ray.methods import Client, Fate, make_method
from heron_ray.models import SplitModel, initial_model, stacked
from heron_ray.optimizers import Optimizer
from heron_ray.simulation import simulation
from heron_ray.simulation.plan import planner
from heron_ray.simulation.roles import ClientHost, FederationServer, MainServer, client_host
from heron_ray.simulation.roles.root_client import RootClient
from heron_ray.simulation.setup import Setup
from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.zo import ZerothOrderEstimator

EVENT_LIMIT = 100_000
"""Spans that a process keeps one by one, about 12 MB of a trace's file; further ones go into the totals alone."""

REPEATS = 5
"""Bare evaluations timed per round and batch size; their median counts."""

Part = tuple[str, str]
"""A role (driver, client, main_server or federation_server) and what it spends time on."""

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Seam:
    """A function whose calls are timed.

    Attributes:
        owner: The class or module that holds it.
        name: Under which name.
        part: What its own time counts as.
        role: Whose time begins with the call. None: it is that of the role at work, and where none is, nothing is timed.
        whole: Whether all that happens inside counts as this part too.
        probes: Whether forward passes inside are those of probes.
    """

    owner: object
    name: str
    part: str
    role: str | None = None
    whole: bool = False
    probes: bool = False


SEAMS = (
    Seam(simulation, "run_round", "round"),
    Seam(simulation.Simulation, "_evaluate", "evaluation", role="driver", whole=True),
    Seam(simulation.Simulation, "_save", "checkpoint", role="driver", whole=True),
    Seam(ClientHost, "advance", "other", role="client"),
    Seam(client_host._Outbox, "take_upload", "packing"),
    Seam(client_host._Outbox, "take_update", "packing"),
    Seam(client_host, "_pack_uploads", "packing"),
    Seam(ClientHost, "_pack_updates", "packing"),
    Seam(MainServer, "consume", "other", role="main_server"),
    Seam(MainServer, "finish_round", "other", role="main_server"),
    Seam(MainServer, "evaluate", "evaluation", role="main_server", whole=True),
    Seam(MainServer, "_copy", "packing"),
    *(
        Seam(FederationServer, name, "aggregation", role="federation_server")
        for name in ("broadcast", "shared_parts", "kept_states", "keep", "collect", "exchange", "aggregate")
    ),
    Seam(FederationServer, "_replay", "replay", whole=True),
    Seam(RootClient, "update", "reference", whole=True),
    Seam(Client, "direction_seeds", "draws"),
    *(Seam(ZerothOrderEstimator, name, "draws") for name in ("_hold", "_normaliser", "_next")),
    *(Seam(ZerothOrderEstimator, name, "axpy", probes=True) for name in ("probe", "outputs")),
    Seam(Optimizer, "step", "optimizer"),
    Seam(functional, "cross_entropy", "forward"),
    Seam(stacked, "cross_entropy", "forward"),
    Seam(torch.autograd, "backward", "backward"),
)
"""What is timed in every process, beside the forward passes of models, clients' batches and estimated gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTrace:
    """What one process recorded.

    Attributes:
        role: The role that lives in it; driver, with whatever lives in its process, for the run's own.
        clock_ns: What to add to its time stamps to get nanoseconds since the epoch, the same for all processes.
        totals: Nanoseconds by part, of all spans.
        events: Part, time stamp and duration in nanoseconds of each span that was kept.
        left_out: How many were not kept.
    """

    role: str
    clock_ns: int
    totals: dict[Part, int]
    events: list[tuple[Part, int, int]]
    left_out: int


class Recorder:
    """Times the spans of one process's one working thread: the thread that makes the recorder.

    Attributes:
        modules: Those whose forward passes are timed.

    Example:
        >>> recorder = Recorder("driver")
        >>> with recorder.span("other", role="client"), recorder.span("forward"):
        ...     pass
        >>> sorted(recorder.result().totals)
        [('client', 'forward'), ('client', 'other')]
    """

    def __init__(self, role: str, limit: int = EVENT_LIMIT) -> None:
        """Begin with nothing, in the process of `role`; `limit` is how many events are kept."""
        self.modules: list[nn.Module] = []
        self._role = role
        self._totals: dict[Part, int] = {}
        self._limit = limit
        self._clock_ns = time.time_ns() - time.perf_counter_ns()
        self._thread = threading.get_ident()
        self._events: list[tuple[Part, int, int]] = []
        self._left_out = 0
        self._innermost: _Span | None = None

    @contextmanager
    def span(self, part: str, role: str | None = None, *, whole: bool = False, probes: bool = False) -> Iterator[None]:
        """Time what happens inside, as `Seam` says; where nothing is to be timed, do nothing."""
        span = self._begin(part, role, whole, probes)
        try:
            yield
        finally:
            self._end(span)

    def timed(self, function: Function, seam: Seam) -> Function:
        """The function, its calls timed."""
        part, role, whole, probes = seam.part, seam.role, seam.whole, seam.probes

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            span = self._begin(part, role, whole, probes)
            try:
                return function(*arguments, **options)
            finally:
                self._end(span)

        return call

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[None]:
        """Inside, the module's forward passes are timed."""
        spans: list[_Span | None] = []

        def begin(*_: Any) -> None:
            spans.append(self._begin("forward"))

        def end(*_: Any) -> None:
            self._end(spans.pop())

        hooks = [module.register_forward_pre_hook(begin), module.register_forward_hook(end, always_call=True)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def result(self) -> ProcessTrace:
        """What was recorded."""
        return ProcessTrace(
            role=self._role,
            clock_ns=self._clock_ns,
            totals=self._totals,
            events=self._events,
            left_out=self._left_out,
        )

    def _begin(self, part: str, role: str | None = None, whole: bool = False, probes: bool = False) -> _Span | None:
        outer = self._innermost
        if (role is None if outer is None else outer.whole) or threading.get_ident() != self._thread:
            return None
        if outer is not None:
            role, probes = role or outer.part[0], probes or outer.probes
            if probes and part == "forward":
                part = "probes"
        self._innermost = span = _Span((role or "", part), outer, whole, probes)
        span.start = time.perf_counter_ns()
        return span

    def _end(self, span: _Span | None) -> None:
        if span is None:
            return
        duration = time.perf_counter_ns() - span.start
        self._innermost = outer = span.outer
        part = span.part
        self._totals[part] = self._totals.get(part, 0) + duration - span.inside
        if outer is not None:
            outer.inside += duration
        if len(self._events) < self._limit:
            self._events.append((part, span.start, duration))
        else:
            self._left_out += 1


class _Span:
    """A span on its way; `inside` is what spans inside it took."""

    __slots__ = ("inside", "outer", "part", "probes", "start", "whole")

    def __init__(self, part: Part, outer: _Span | None, whole: bool, probes: bool) -> None:
        self.part, self.outer, self.whole, self.probes = part, outer, whole, probes
        self.inside = 0
        self.start = 0


@contextmanager
def models_known(recorder: Recorder) -> Iterator[None]:
    """Inside, the parts of every model that a role builds are added to the recorder's modules."""

    def build_model(function: Function) -> Function:
        def call(setup: Setup) -> SplitModel:
            model: SplitModel = function(setup)
            recorder.modules += [model.front, model.auxiliary, model.back]
            return model

        return call

    with replaced(Setup, "build_model", build_model):
        yield


@contextmanager
def traced(recorder: Recorder, more: Sequence[Seam] = ()) -> Iterator[None]:
    """Inside, this process's calls at the seams, and at `more` of them, are timed."""

    def client(function: Function) -> Function:
        def call(*arguments: Any) -> Client:
            made: Client = function(*arguments)
            made.batch = recorder.timed(made.batch, Seam(made, "batch", "batches"))
            made.prepared = None  # a captured pass has no layers to time; eager ones have the same bits
            return made

        return call

    def gradient(function: Function) -> Function:
        def call(*arguments: Any) -> Iterator[Any]:
            pieces = function(*arguments)
            while True:
                with recorder.span("axpy"):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece

        return call

    with ExitStack() as stack:
        for seam in (*SEAMS, *more):
            stack.enter_context(replaced(seam.owner, seam.name, functools.partial(recorder.timed, seam=seam)))
        stack.enter_context(replaced(ClientHost, "_client", client))
        stack.enter_context(replaced(ZerothOrderEstimator, "gradient", gradient))
        for module in recorder.modules:
            stack.enter_context(recorder.hooked(module))
        yield


@contextmanager
def replaced(owner: object, name: str, wrap: Callable[[Function], Function]) -> Iterator[None]:
    """Inside, the function that a class or module has under a name is what `wrap` makes of it."""
    original = vars(owner)[name]
    setattr(owner, name, wrap(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


class Floor:
    """How long a round would take if it were nothing but its evaluations of models, one after another in this process.

    That is the forward (and, where clients backpropagate, backward) passes that the spec asks of the cohort, and the main
    server's for every upload: torch's modules and nothing else, on clients' own samples, timed at once and multiplied by
    how often the round needs them. Left out: optimizers, directions, and FSL-SAGE's alignment.

    Args:
        setup: The run's data and model.
    """

    def __init__(self, setup: Setup) -> None:
        """Build a model of its own, away from the roles'."""
        self._setup, self._spec, self._plan = setup, setup.spec, planner(setup)
        self._device = torch.device(self._spec.compute.device)
        self._method = make_method(self._spec.method)
        self._model = initial_model(self._spec, self._device)
        trained = self._method.parts_to_be(Fate.AVERAGED, Fate.REPLAYED, Fate.PERSONAL)
        self._client_parameters = [p for part in self._model.parts(trained).values() for p in part.parameters()]
        heads = [part for part in self._method.client_parts if part != "front"]
        self._head = getattr(self._model, heads[0]) if heads else None

    def measure(self, round: int) -> int:
        """The nanoseconds that the evaluations of round t take."""
        clients = {}
        sizes: Counter[int] = Counter()
        for client in self._plan(round, 1).cohort:
            size = self._setup.batch_size(client)
            sizes[size] += 1
            clients[size] = client
        threads = torch.get_num_threads()
        torch.set_num_threads(self._spec.compute.threads)
        try:
            return sum(count * self._client_round(clients[size], size) for size, count in sizes.items())
        finally:
            torch.set_num_threads(threads)

    def passes(self) -> dict[str, int]:
        """How many passes one client's round takes, by which it is and which way it goes; backward ones begin forward."""
        method, steps = self._method, self._spec.clients.local_steps
        uploads = -(-steps // getattr(method.spec, "upload_every", 1)) if method.has_main_server else 0
        zeroth_order = getattr(method.spec, "zeroth_order", None)
        if zeroth_order is not None:
            client = {"client_forward": steps * _evaluations(zeroth_order)}
        elif self._client_parameters:
            # Where logits are exchanged, smashed data come from a pass of their own after the training.
            client = {"client_backward": steps, "client_forward": steps if method.reply == "logits" else 0}
        else:
            client = {"client_forward": uploads}
        zeroth_order = getattr(method.spec, "server_zeroth_order", None)
        if zeroth_order is not None:
            return client | {"server_forward": uploads * (2 + method.spec.server_steps * _evaluations(zeroth_order))}
        return client | {"server_backward": uploads}

    def _client_round(self, client: int, size: int) -> int:
        train, rows = self._setup.dataset.train, torch.from_numpy(self._setup.shards[client][:size].copy())
        x, y = train.x.index_select(0, rows).to(self._device), train.y.index_select(0, rows).to(self._device)
        with torch.no_grad():
            z = self._model.front(x)
        z.requires_grad_(self._method.reply == "gradients")
        back = self._model.back
        server_inputs = [*back.parameters(), *([z] if z.requires_grad else [])]

        def client_output() -> Tensor:
            smashed: Tensor = self._model.front(x)
            return smashed if self._head is None else stacked.cross_entropy(self._head(smashed), y)

        def server_output() -> Tensor:
            return stacked.cross_entropy(back(z), y)

        work: dict[str, Callable[[], object]] = {
            "client_forward": torch.no_grad()(client_output),
            "client_backward": lambda: _backward(client_output(), self._client_parameters),
            "server_forward": torch.no_grad()(server_output),
            "server_backward": lambda: _backward(server_output(), server_inputs),
        }
        return sum(count * self._time(work[kind]) for kind, count in self.passes().items() if count)

    def _time(self, function: Callable[[], object]) -> int:
        """The median of a few calls after a first one that warms caches."""
        function()
        times = []
        for _ in range(REPEATS):
            self._synchronize()
            start = time.perf_counter_ns()
            function()
            self._synchronize()
            times.append(time.perf_counter_ns() - start)
        return int(statistics.median(times))

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()


def _evaluations(zeroth_order: ZerothOrderSpec) -> int:
    """Forward passes of one zeroth-order step: one at theta, and those of its probes."""
    return 1 + zeroth_order.probes * (2 if zeroth_order.difference == "central" else 1)


def _backward(output: Tensor, inputs: Sequence[Tensor]) -> object:
    return torch.autograd.grad(output, inputs, grad_outputs=torch.ones_like(output))
