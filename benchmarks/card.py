"""What HERON's clients cost on a CUDA device: `python -m benchmarks.card`.

A is a client's round of a few local steps, as a host has it carried out: `captured` with forward passes in CUDA graphs,
where they are small enough for that (heron_ray/simulation/graphed.py), `eager` without. B is nothing but the q + 1 eager
forward passes of every step, through the same layers of torch: no perturbation, no optimizer, no upload. Both end when the
device has ended. The other figures are the paper's ResNet-18 client in bytes of the device's memory, and how well differences
of losses agree with the gradient in full float32 and in TF32, torch's own setting for convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.pairs import Pair, Report, options, ratio, time_pairs
from benchmarks.zo_step import CASES, CLASSES, PROBES, Bench, Case, heron_method
from heron_ray.device import use_device
from heron_ray.methods.heron import Heron
from heron_ray.models.objectives import cross_entropy
from heron_ray.simulation.graphed import graphed_forwards
from heron_ray.simulation.profile import profile
from heron_ray.spec import load_spec

STEPS: Final = 5
"""Local steps of a round."""

CARD: Final = "cuda"
PAPER: Final = ("heron", "cse_fsl", "sflv1")
"""Methods of experiments/paper whose client's memory is looked at."""

DIRECTIONS: Final = 64
WIDTHS: Final = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is asked of a case on the card; `clients` may be computed together."""

    case: Case
    probes: int = PROBES
    optimizer: str = "sgd"
    clients: int = 1
    target: float | None = None


PAPERS_CLIENT: Final = replace(CASES["resnet"], batch=256, steps=STEPS)
CHOICES: Final = {
    "paper's resnet18": Step(case=PAPERS_CLIENT, probes=1, optimizer="adam", target=1.05),
    **{name: Step(case=replace(case, steps=STEPS), clients=max(case.blocks)) for name, case in CASES.items()},
}


def on_card(run: Callable[[], None]) -> Callable[[], None]:
    """The same, to its end on the device, and without autograd."""

    def to_the_end() -> None:
        with torch.no_grad():
            run()
        torch.cuda.synchronize()

    return to_the_end


def measure(name: str, step: Step, pairs: int, report: Report) -> None:
    """The ratios of a step."""
    case, method = step.case, Heron(heron_method(step.optimizer, probes=step.probes))
    bare, captured = Bench(case, device=CARD), Bench(case, device=CARD)
    captured.prepared = graphed_forwards(captured.model, captured.vector, cross_entropy, batch_size=case.batch)
    forwards = on_card(partial(bare.forwards, step.probes + 1))
    where = f"{name} (d = {len(bare.vector):,}, batch {case.batch}, q = {step.probes}, {step.optimizer})"
    for kind, bench, target in (("captured", captured, step.target), ("eager", Bench(case, device=CARD), None)):
        found = time_pairs(on_card(partial(bench.client_round, method)), forwards, pairs=pairs)
        report.add(ratio(f"{where}, {kind}: step / q + 1 forwards", found, target))
    if step.clients > 1:
        block = Bench(case, step.clients, device=CARD)
        found = time_pairs(on_card(partial(block.client_round, method)), forwards, pairs=pairs)
        per_client = [Pair(a=pair.a / step.clients, b=pair.b) for pair in found]
        report.add(ratio(f"{where}, block of {step.clients}, per client: step / q + 1 forwards", per_client))


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
    case, bench = PAPERS_CLIENT, Bench(PAPERS_CLIENT, device=CARD)
    model, vector = bench.model, bench.vector
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
    parser.add_argument("--only", nargs="+", choices=list(CHOICES), default=list(CHOICES))
    chosen = parser.parse_args()
    use_device("cuda")
    torch.set_num_threads(1)
    about = {"benchmark": "card", "card": torch.cuda.get_device_name(CARD), "cuda": torch.version.cuda, "steps": STEPS}
    report = Report({**about, "memory": memory(), "agreement": agreement()}, chosen.json)
    for name in chosen.only:
        measure(name, CHOICES[name], chosen.pairs, report)
    report.close()


if __name__ == "__main__":
    main()
