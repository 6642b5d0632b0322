"""What one zeroth-order local step costs beside bare forward passes: `python -m benchmarks.zo_step [--only mlp ...]`.

A is the local step of a HERON client with q probes and forward differences, as `Heron.client_round` carries it out on a fixed
batch. B is nothing but the 2q eager forward passes of central differences: same model, batch and loss, no gradients, no
perturbation. Where a cohort's clients are computed in blocks, A is also the step of such a block, divided by its clients.
The second line of a case has HERON's own floor for B, q + 1 forward passes. With `--compile`, A's forward passes are compiled
(`compute.compile`), B's never are. `--breakdown` times the pieces of the MLP's step instead, each as a share of the bare 2q
forward passes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.pairs import Pair, Report, options, ratio, time_pairs
from heron_ray.allocator import keep_freed_memory
from heron_ray.methods import Client
from heron_ray.methods.heron import Heron
from heron_ray.methods.method import direction_seeds
from heron_ray.models import SplitModel, build_model
from heron_ray.models.compiled import compiled_forwards
from heron_ray.models.lora import adapt
from heron_ray.optimizers import make_optimizer
from heron_ray.simulation.setup import BLOCK
from heron_ray.spec.lora import LoraSpec
from heron_ray.spec.method import DirectionLaw, HeronMethod
from heron_ray.spec.model import CnnModel, MlpModel, Resnet18Model
from heron_ray.spec.optimizer import SgdOptimizer
from heron_ray.vectors import FlatVector
from heron_ray.zo import ZerothOrderEstimator
from heron_ray.zo.directions import DirectionStream

PROBES: Final = 4
BATCH: Final = 32
CLASSES: Final = 10
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "held, random signs": {"replay": False, "direction": "rademacher"},
}
"""Settings of `method.zeroth_order`: the default ones, and those with the least arithmetic beside the forward passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model and what is asked of it. A call of A or B takes `steps` local steps; `blocks` says how many clients at once.

    Attributes:
        compiled_target: The target where forward passes are compiled; None: the model is no case for that.
        plain: The same front model and auxiliary head in torch's own layers, where heron-ray's are faster: a second B.
    """

    model: Callable[[], SplitModel]
    input_shape: tuple[int, ...]
    target: float
    compiled_target: float | None = None
    plain: Callable[[], nn.Module] | None = None
    batch: int = BATCH
    steps: int = 1
    blocks: tuple[int, ...] = (1,)


def mlp(widths: Sequence[int]) -> SplitModel:
    """Fully connected layers from 64 or more inputs to the cut, and a single layer as the auxiliary head."""
    inputs, *front = widths
    spec = MlpModel.model_validate({"kind": "mlp", "front": tuple(front), "auxiliary": {"kind": "linear"}})
    return build_model(spec, input_shape=(inputs,), classes=CLASSES, seed=0)


def cnn() -> SplitModel:
    """Two stages on grey images of 28x28."""
    spec = CnnModel.model_validate({"kind": "cnn", "front": (16, 32), "auxiliary": {"kind": "linear"}})
    return build_model(spec, input_shape=(1, 28, 28), classes=CLASSES, seed=0)


def plain_cnn() -> nn.Module:
    """The same, as one writes it: torch's convolutions in their default memory layout, pooling last."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, CLASSES)),
    )


def resnet() -> SplitModel:
    """ResNet-18's stem and first block at full width, on 32x32."""
    spec = Resnet18Model.model_validate({"kind": "resnet18", "auxiliary": {"kind": "flat_linear"}})
    return build_model(spec, input_shape=(3, 32, 32), classes=CLASSES, seed=0)


class _Block(nn.Module):
    """A transformer block with causal attention, [B, T, D] to [B, T, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widening, self.narrowing = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = self.attention(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.projection(mixed.transpose(1, 2).reshape(batch, length, width))
        wide = functional.gelu(self.widening(self.norm2(x)), approximate="tanh")
        out: Tensor = x + self.narrowing(wide)
        return out


class _Last(nn.Module):
    """The logits of the last position, [B, T, D] to [B, C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, CLASSES)

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.linear(z[:, -1])
        return logits


def gpt() -> SplitModel:
    """Two GPT blocks of width 128 with adapters of rank 8, on sequences of 64 embedded tokens."""
    generator = torch.Generator().manual_seed(0)
    front, auxiliary = nn.Sequential(_Block(128, 4), _Block(128, 4)), _Last(128)
    for module in (front, auxiliary):
        for parameter in module.parameters():
            bound = 1 / math.sqrt(parameter.shape[-1])
            parameter.data.uniform_(-bound, bound, generator=generator)
    adapt(front, LoraSpec(rank=8), generator)
    return SplitModel(front=front, auxiliary=auxiliary, back=nn.Identity())


CASES: Final[Mapping[str, Case]] = {
    "mlp": Case(model=partial(mlp, [64, 128, 64]), input_shape=(64,), target=1.0, steps=5, blocks=(1, BLOCK)),
    "mlp-wide": Case(model=partial(mlp, [256, 1024, 256]), input_shape=(256,), target=1.0),
    "cnn": Case(model=cnn, input_shape=(1, 28, 28), target=0.65, compiled_target=0.40, plain=plain_cnn),
    "resnet": Case(model=resnet, input_shape=(3, 32, 32), target=0.65, compiled_target=0.40),
    "gpt-lora": Case(model=gpt, input_shape=(64, 128), target=0.70, compiled_target=0.70),
}


def heron_method(optimizer: str = "sgd", **zeroth_order: Any) -> HeronMethod:
    """HERON with q probes; the rate is so small that any number of steps leaves the model what it is."""
    slow = {"kind": optimizer, "lr": 1e-6}
    return HeronMethod.model_validate(
        {
            "kind": "heron",
            "upload_every": 1_000_000,
            "zeroth_order": {"probes": PROBES, **zeroth_order},
            "client_optimizer": slow,
            "server_optimizer": slow,
        }
    )


class Bench:
    """A case on its batch: what may be timed.

    Args:
        case: The model, its input and the steps of a call.
        clients: How many are computed together.
        compile: Let the local steps use compiled forward passes.
        device: Where model and batch live; the layers in `plain` stay on the CPU.

    Attributes:
        prepared: What the local steps use in place of eager forward passes; None: these.
    """

    def __init__(self, case: Case, clients: int = 1, *, compile: bool = False, device: str = "cpu") -> None:
        """Draw a batch for every client."""
        generator = torch.Generator().manual_seed(1)
        several = () if clients == 1 else (clients,)
        self.case, self.model = case, case.model()
        for part in (self.model.front, self.model.auxiliary):
            part.to(device)
        self.vector = FlatVector(self.model.parts(("front", "auxiliary")), *several)
        self.x = torch.randn(*several, case.batch, *case.input_shape, generator=generator).to(device)
        self.y = torch.randint(CLASSES, (*several, case.batch), generator=generator).to(device)
        self.plain = None if case.plain is None else case.plain()
        self.prepared = compiled_forwards(self.model, batch_size=case.batch) if compile else None
        self._numbers = 0 if clients == 1 else tuple(range(clients))
        self._rounds: Iterator[int] = iter(range(1, 2**62))

    def loss(self) -> Tensor:
        """One forward pass."""
        return functional.cross_entropy(self.model.auxiliary(self.model.front(self.x)), self.y)

    def plain_loss(self) -> Tensor:
        """One forward pass through torch's own layers."""
        assert self.plain is not None
        return functional.cross_entropy(self.plain(self.x), self.y)

    def forwards(self, count: int, *, plain: bool = False) -> None:
        """So many bare forward passes per local step."""
        loss = self.plain_loss if plain else self.loss
        with torch.no_grad():
            for _ in range(count * self.case.steps):
                loss()

    def client_round(self, method: Heron) -> None:
        """The local steps of a HERON client or block; every call is another round, with directions of its own."""
        client = Client(
            number=self._numbers,
            round=next(self._rounds),
            seed=0,
            steps=self.case.steps,
            model=self.model,
            vector=self.vector,
            batch=lambda _: (self.x, self.y),
            positions=lambda _: self.y,
            samples=self.case.batch,
            prepared=self.prepared,
        )
        for _ in method.client_round(client):
            pass


def measure(name: str, variant: str, clients: int, pairs: int, report: Report, *, compile: bool = False) -> None:
    """Both ratios of a case."""
    case = CASES[name]
    bench, block = Bench(case), Bench(case, clients, compile=compile)
    step = partial(block.client_round, Heron(heron_method(**VARIANTS[variant])))
    where = f"{name} (d = {len(bench.vector):,}), {variant}" + (f", block of {clients}" if clients > 1 else "")
    where += ", compiled" if compile else ""
    aim = case.compiled_target if compile else case.target
    beside = [("2q forwards", 2 * PROBES, False, aim), ("q + 1 forwards", PROBES + 1, False, None)]
    beside += [("2q forwards of torch's own layers", 2 * PROBES, True, None)] if case.plain is not None else []
    for label, count, plain, target in beside:
        found = time_pairs(step, partial(bench.forwards, count, plain=plain), pairs=pairs)
        per_client = [Pair(a=pair.a / clients, b=pair.b) for pair in found]
        report.add(ratio(f"{where}: step / {label}", per_client, target))


class Convolutions(TorchDispatchMode):
    """Takes down the convolutions of what runs under it, to run them alone."""

    def __init__(self) -> None:
        """None yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls: list[Callable[[], object]] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Let it be, and note it where it is one."""
        call = partial(func, *args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            self._calls.append(call)
        return call()

    def run(self, count: int) -> None:
        """All of them, so many times."""
        with torch.no_grad():
            for _ in range(count):
                for call in self._calls:
                    call()


def measure_convolutions(name: str, pairs: int, report: Report) -> None:
    """What no compiler and no cheaper probe can take from a step: the convolutions of its q + 1 passes."""
    bench = Bench(CASES[name])
    with Convolutions() as convolutions:
        bench.forwards(1)
    found = time_pairs(partial(convolutions.run, PROBES + 1), partial(bench.forwards, 2 * PROBES), pairs=pairs)
    report.add(ratio(f"{name}: convolutions alone of {PROBES + 1} passes / {2 * PROBES} forwards", found))


def breakdown(pairs: int, report: Report) -> None:
    """The pieces of the MLP's step, and the convolutions of the others', each beside the bare 2q forward passes."""
    for name in ("cnn", "resnet"):
        measure_convolutions(name, pairs, report)
    bench = Bench(CASES["mlp"])
    vector, steps, d = bench.vector, bench.case.steps, len(bench.vector)
    u, lr = torch.randn(d, generator=torch.Generator().manual_seed(0)), 1e-6
    sgd = make_optimizer(SgdOptimizer(kind="sgd", lr=lr))
    gradient, coefficient = torch.zeros(d), torch.tensor(1e-3)

    def repeatedly(piece: Callable[[], object], times: int) -> Callable[[], None]:
        def run() -> None:
            for _ in range(times * steps):
                piece()

        return run

    def draw(law: DirectionLaw) -> Callable[[], object]:
        return lambda: DirectionStream(law, 1, u.device).fill(u)

    def without_forwards() -> None:
        estimator = ZerothOrderEstimator(heron_method().zeroth_order, vector)
        for step in range(steps):
            seeds = direction_seeds(0, 1, 0, step, PROBES)
            coefficients = estimator.probe(lambda: coefficient.clone(), coefficient, seeds)
            sgd.step(vector.data, estimator.gradient(seeds, coefficients))

    pieces: dict[str, Callable[[], object]] = {
        f"{PROBES + 1} forward passes": partial(bench.forwards, PROBES + 1),
        "everything but forward passes": without_forwards,
        f"{PROBES} seeds": repeatedly(lambda: direction_seeds(0, 1, 0, 0, PROBES), 1),
        **{f"{PROBES} directions, {law}": repeatedly(draw(law), PROBES) for law in get_args(get_args(DirectionLaw)[0])},
        f"{2 * PROBES} shifts of theta": repeatedly(lambda: vector.data.add_(u, alpha=1e-9), 2 * PROBES),
        f"{PROBES} sums into the estimate": repeatedly(lambda: gradient.addcmul_(u, coefficient), PROBES),
        "optimizer (sgd)": repeatedly(lambda: sgd.step(vector.data, [(slice(0, d), gradient)]), 1),
    }
    for name, piece in pieces.items():
        found: list[Pair] = time_pairs(piece, partial(bench.forwards, 2 * PROBES), pairs=pairs)
        report.add(ratio(f"mlp (d = {d:,}): {name} / {2 * PROBES} forwards", found))


def main() -> None:
    """Measure the cases asked for, or the breakdown."""
    parser = options(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--compile", action="store_true", help="compile the step's forward passes, where a case is for that")
    parser.add_argument(
        "--breakdown",
        action="store_true",
        help="the pieces of the MLP's step and the convolutions of the others, in place of the cases",
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as every executor does
    asked = {"probes": PROBES, "batch": BATCH, "difference": "forward", "compile": chosen.compile}
    report = Report({"benchmark": "zo_step", **asked}, chosen.json)
    if chosen.breakdown:
        breakdown(chosen.pairs, report)
    else:
        names = [name for name in chosen.only if not chosen.compile or CASES[name].compiled_target is not None]
        for name in names:
            for variant, clients in itertools.product(chosen.variants, (1,) if chosen.compile else CASES[name].blocks):
                measure(name, variant, clients, chosen.pairs, report, compile=chosen.compile)
    report.close()


if __name__ == "__main__":
    main()
