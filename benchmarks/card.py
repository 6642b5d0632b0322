"""What HERON's clients cost on a CUDA device: `python -m benchmarks.card`.

A is a client's round of a few local steps, as a host has it carried out: `captured` with forward passes in CUDA graphs,
where they are small enough for that (heron_ray/simulation/graphed.py), `eager` without. B is nothing but the q + 1 eager
forward passes of every step, through the same layers of torch: no perturbation, no optimizer, no upload. Both end when the
device has ended. The other figures are the paper's ResNet-18 client in bytes of the device's memory, and how well differences
of losses agree with the gradient in full float32 and in TF32, torch's own setting for convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.pairs import Pair, Report, options, ratio, time_pairs
from benchmarks.zo_step import CASES, CLASSES, resnet
from heron_ray.device import use_device
from heron_ray.methods import Client
from heron_ray.methods.heron import Heron
from heron_ray.models import SplitModel
from heron_ray.models.forwards import ClientForwards, eager_forwards
from heron_ray.models.objectives import cross_entropy
from heron_ray.simulation.graphed import graphed_forwards
from heron_ray.simulation.profile import profile
from heron_ray.spec import load_spec
from heron_ray.spec.method import HeronMethod
from heron_ray.vectors import FlatVector

STEPS: Final = 5
"""Local steps of a round."""

CARD: Final = torch.device("cuda")
PAPER: Final = ("heron", "cse_fsl", "sflv1")
"""Methods of experiments/paper whose client's memory is looked at."""

DIRECTIONS: Final = 64
WIDTHS: Final = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model and what is asked of it; `clients` may be computed together."""

    model: Callable[[], SplitModel]
    input_shape: tuple[int, ...]
    batch: int = 32
    probes: int = 4
    optimizer: str = "sgd"
    clients: int = 1
    target: float | None = None


STEP_CASES: Final = {
    "paper's resnet18": Case(model=resnet, input_shape=(3, 32, 32), batch=256, probes=1, optimizer="adam", target=1.05),
    **{name: Case(model=case.model, input_shape=case.input_shape, clients=max(case.blocks)) for name, case in CASES.items()},
}


def on_card(case: Case) -> SplitModel:
    """Its model there."""
    model = case.model()
    for part in (model.front, model.auxiliary):
        nn.Module.to(part, CARD)
    return model


class Bench:
    """A case on its batch, or on one for each of several clients that are computed together."""

    def __init__(self, case: Case, clients: int = 1, *, capture: bool = False) -> None:
        """Bring the model and batches to the card."""
        generator = torch.Generator().manual_seed(1)
        several = () if clients == 1 else (clients,)
        self._case, self._model = case, on_card(case)
        self._vector = FlatVector(self._model.parts(("front", "auxiliary")), *several)
        self._x = torch.randn(*several, case.batch, *case.input_shape, generator=generator).to(CARD)
        self._y = torch.randint(CLASSES, (*several, case.batch), generator=generator).to(CARD)
        self._numbers = 0 if clients == 1 else tuple(range(clients))
        optimizer = {"kind": case.optimizer, "lr": 1e-6}
        self._method = Heron(
            HeronMethod.model_validate(
                {
                    "kind": "heron",
                    "upload_every": 1_000_000,
                    "zeroth_order": {"probes": case.probes},
                    "client_optimizer": optimizer,
                    "server_optimizer": optimizer,
                }
            )
        )
        self._eager = eager_forwards(self._model)
        self._prepared: ClientForwards | None = None
        if capture:
            self._prepared = graphed_forwards(self._model, self._vector, cross_entropy, batch_size=case.batch)
        self._round = 0

    @property
    def size(self) -> int:
        """Parameters of the client."""
        return len(self._vector)

    @torch.no_grad()
    def forwards(self) -> None:
        """The bare passes of a round."""
        for _ in range((self._case.probes + 1) * STEPS):
            self._eager.loss(self._x, self._y)
        torch.cuda.synchronize()

    @torch.no_grad()
    def client_round(self) -> None:
        """A round; every call is another one, with directions of its own."""
        self._round += 1
        client = Client(
            number=self._numbers,
            round=self._round,
            seed=0,
            steps=STEPS,
            model=self._model,
            vector=self._vector,
            batch=lambda _: (self._x, self._y),
            positions=lambda _: self._y,
            samples=self._case.batch,
            prepared=self._prepared,
        )
        for _ in self._method.client_round(client):
            pass
        torch.cuda.synchronize()


def measure(name: str, case: Case, pairs: int, report: Report) -> None:
    """The ratios of a case."""
    bare = Bench(case)
    where = f"{name} (d = {bare.size:,}, batch {case.batch}, q = {case.probes}, {case.optimizer})"
    for kind, bench in {"captured": Bench(case, capture=True), "eager": Bench(case)}.items():
        found = time_pairs(bench.client_round, bare.forwards, pairs=pairs)
        report.add(ratio(f"{where}, {kind}: step / q + 1 forwards", found, case.target if kind == "captured" else None))
    if case.clients > 1:
        found = time_pairs(Bench(case, case.clients).client_round, bare.forwards, pairs=pairs)
        per_client = [Pair(a=pair.a / case.clients, b=pair.b) for pair in found]
        report.add(ratio(f"{where}, block of {case.clients}, per client: step / q + 1 forwards", per_client))


def memory() -> dict[str, dict[str, int]]:
    """Bytes of the paper's ResNet-18 client, by method."""
    figures = {}
    for method in PAPER:
        spec, _ = load_spec(Path("experiments/paper") / f"resnet18-{method}.yaml")
        found = profile(spec, "cuda")
        figures[method] = {
            name: getattr(found, name) for name in ("client_peak_bytes", "device_tracked_bytes", "device_peak_bytes")
        }
    return figures


def agreement() -> list[dict[str, Any]]:
    """How differences of losses along directions agree with the gradient's, by precision and mu, for the paper's client."""
    case = STEP_CASES["paper's resnet18"]
    model = on_card(case)
    vector = FlatVector(model.parts(("front", "auxiliary")))
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(case.batch, *case.input_shape, generator=generator).to(CARD)
    y = torch.randint(CLASSES, (case.batch,), generator=generator).to(CARD)

    def loss() -> Tensor:
        return functional.cross_entropy(model.auxiliary(model.front(x)), y)

    for parameter in vector.parameters:
        parameter.requires_grad_(True)
    gradient = torch.cat([piece.flatten() for piece in torch.autograd.grad(loss(), vector.parameters)])
    for parameter in vector.parameters:
        parameter.requires_grad_(False)
    theta = vector.data.clone()
    directions = torch.randn(DIRECTIONS, len(vector), generator=generator).to(CARD)
    directions /= directions.norm(dim=1, keepdim=True)
    exact = directions.double() @ gradient.double()
    figures = []
    try:
        for precision in ("float32", "tf32"):
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
            for mu in WIDTHS:
                with torch.no_grad(), vector.hold_statistics():
                    here, quotients = loss(), []
                    for u in directions:
                        vector.data.copy_(theta + mu * u)
                        quotients.append((loss() - here) / mu)
                    vector.data.copy_(theta)
                found = torch.stack(quotients).double()
                correlation = float(torch.corrcoef(torch.stack([found, exact]))[0, 1])
                figures.append(
                    {
                        "precision": precision,
                        "mu": mu,
                        "correlation": correlation,
                        "relative_error": float((found - exact).norm() / exact.norm()),
                    }
                )
    finally:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return figures


def main() -> None:
    """Measure all of it."""
    parser = options(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(STEP_CASES), default=list(STEP_CASES))
    chosen = parser.parse_args()
    use_device("cuda")
    torch.set_num_threads(1)
    about = {"benchmark": "card", "card": torch.cuda.get_device_name(CARD), "cuda": torch.version.cuda, "steps": STEPS}
    report = Report({**about, "memory": memory(), "agreement": agreement()}, chosen.json)
    for name in chosen.only:
        measure(name, STEP_CASES[name], chosen.pairs, report)
    report.close()


if __name__ == "__main__":
    main()
