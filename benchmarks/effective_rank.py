"""Do zeroth-order steps go with the number of parameters d or with the effective rank kappa = tr(H) / ||H||?

A landscape of which both can be chosen: L(x) = sum_i lambda_i x_i^2 / 2 with lambda_i = i^-s, so ||H|| = 1, and s such that
sum_i lambda_i = kappa. The start is one unit away from the minimum along the steepest direction: all problems begin with the
same loss and the same gradient. Counted are the steps (one probe, N(0, I), central difference, which is exact here; SGD) until
the loss is a tenth. The rate is the best one for each problem of a grid that knows neither d nor kappa: the first at which more
than half of the seeds arrive. Three ways through the (d, kappa) plane, and one landscape that only looks as if kappa were low:

    kappa fixed      d varies
    d fixed          kappa varies
    flat             kappa = d: every direction is curved alike
    hidden           H at the start has kappa = 8, but beyond |x_i| = 0.02 all other directions are curved like the steepest

For a flat H the best rate is 1 / (d + 2), and the expected steps are ln 10 / -ln(1 - 1 / (d + 2)), about ln 10 (kappa + 2).
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from scipy import optimize, stats
from torch import Tensor, nn

from heron_ray.measure.spectrum import hessian_product, spectrum
from heron_ray.seeds import Purpose, derive
from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.vectors import FlatVector
from heron_ray.zo import Seed, ZerothOrderEstimator

SEEDS: Final = 9
RATES: Final = [2.0 ** (-power / 2) for power in range(2, 23)]
TARGET: Final = 0.1
MOST: Final = 100_000
FREE: Final = 0.02
HIDDEN_RANK: Final = 8

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One landscape; `varies` is the number that the slope is fitted against."""

    study: str
    size: int
    kappa: float
    varies: int


def problems() -> Iterator[Problem]:
    """All of them, in the order of the table."""
    for size in (64, 256, 1024, 4096, 16384):
        yield Problem(study="kappa fixed", size=size, kappa=16, varies=size)
    for kappa in (8, 16, 32, 64, 128, 256, 512):
        yield Problem(study="d fixed", size=1024, kappa=kappa, varies=kappa)
    for size in (16, 64, 256):
        yield Problem(study="flat", size=size, kappa=size, varies=size)
    for size in (64, 256):
        yield Problem(study="hidden", size=size, kappa=HIDDEN_RANK, varies=size)


def eigenvalues(size: int, kappa: float) -> Tensor:
    """i^-s [d], with s such that they sum to kappa."""
    index = torch.arange(1, size + 1, dtype=torch.float64)
    if kappa >= size:
        return torch.ones(size)
    power = optimize.brentq(lambda s: float(index.pow(-s).sum()) - kappa, 0.0, 60.0)
    return index.pow(-power).float()


def loss_of(problem: Problem) -> Loss:
    """The loss [...] of points [..., d]."""
    if problem.study == "hidden":
        return lambda x: (x[..., :HIDDEN_RANK].square().sum(-1) + _beyond(x[..., HIDDEN_RANK:], FREE).square().sum(-1)) / 2
    values = eigenvalues(problem.size, problem.kappa)
    return lambda x: x.square() @ values / 2


def _beyond(x: Tensor, free: float) -> Tensor:
    """How far each number lies outside of -free to free."""
    return torch.relu(x - free) + torch.relu(-x - free)


class _Point(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros(size))


def measure(problem: Problem) -> dict[str, Any]:
    """All rates and seeds side by side, until every seed has arrived at the rate that won."""
    loss_at, copies = loss_of(problem), len(RATES) * SEEDS
    vector = FlatVector({"front": _Point(problem.size)}, copies=copies)
    x = vector.data.zero_()
    x[:, 0] = 1.0
    spec = ZerothOrderSpec(mu=0.01, probes=1, direction="gaussian", difference="central", replay=False)
    estimator = ZerothOrderEstimator(spec, vector)
    rates = torch.tensor(RATES).repeat_interleave(SEEDS)[:, None]
    start, kappa_at_start = loss_at(x), _kappa(loss_at, x[0])
    arrived, winner = torch.zeros(copies, dtype=torch.int64), None
    for step in range(1, MOST + 1):
        seeds: list[Seed] = [tuple(_seed(step, copy % SEEDS) for copy in range(copies))]
        coefficients = estimator.probe(lambda: loss_at(x), start, seeds)
        for _, estimate in estimator.gradient(seeds, coefficients):
            x.sub_(estimate.mul_(rates))
        arrived[(arrived == 0) & (loss_at(x) <= TARGET * start)] = step
        by_rate = (arrived.view(len(RATES), SEEDS) > 0).sum(dim=1)
        if winner is None and int(by_rate.max()) > SEEDS // 2:
            winner = int(by_rate.argmax())
        if winner is not None and int(by_rate[winner]) == SEEDS:
            break
    else:
        raise RuntimeError(f"{problem} did not arrive in {MOST} steps")
    steps = arrived.view(len(RATES), SEEDS)[winner].tolist()
    at_end = x.view(len(RATES), SEEDS, -1)[winner, 0]
    return {
        **asdict(problem),
        "kappa_at_start": round(kappa_at_start, 2),
        "kappa_at_end": round(_kappa(loss_at, at_end), 2),
        "rate": RATES[winner],
        "median": statistics.median(steps),
        "steps": steps,
    }


def _seed(step: int, number: int) -> int:
    return derive(0, Purpose.DIRECTION, 1, number, step, 0)


def _kappa(loss_at: Loss, x: Tensor) -> float:
    """As `heron spectrum` measures it."""
    point = x.detach().double().clone().requires_grad_()
    values = spectrum(hessian_product(_in_double(loss_at, point), [point]), len(point), lanczos_steps=20, seeds=list(range(64)))
    return values.effective_rank


def _in_double(loss_at: Loss, point: Tensor) -> Tensor:
    """The loss in the precision of its numbers: a landscape's own constants are float32."""
    return loss_at(point.float()).double()


def slope(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Of log steps against the log of what varies, over all seeds, with its 95 % interval."""
    points = [(math.log(row["varies"]), math.log(steps)) for row in rows for steps in row["steps"]]
    fit = stats.linregress(*zip(*points, strict=True))
    half = stats.t.ppf(0.975, len(points) - 2) * fit.stderr
    return {"slope": round(fit.slope, 3), "low": round(fit.slope - half, 3), "high": round(fit.slope + half, 3)}


def table(results: dict[str, Any]) -> str:
    """The page's table, in Markdown."""
    lines = [
        "| landscape | d | kappa at the start | kappa at the end | best rate | steps, median (range) | ln 10 (kappa + 2) |"
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for row in results["rows"]:
        law = round(math.log(10) * (row["kappa_at_end"] + 2))
        span = f"{row['median']:,} ({min(row['steps']):,}-{max(row['steps']):,})"
        cells = [row["study"], f"{row['size']:,}", f"{row['kappa_at_start']:.1f}", f"{row['kappa_at_end']:.1f}"]
        lines.append("| " + " | ".join([*cells, f"{row['rate']:.4f}", span, f"{law:,}"]) + " |")
    lines += ["", "| landscape | against | slope of log steps (95 % interval) |", "|---|---|---|"]
    for study, fit in results["slopes"].items():
        against = "kappa" if study == "d fixed" else "d"
        lines.append(f"| {study} | {against} | {fit['slope']:.2f} ({fit['low']:.2f} to {fit['high']:.2f}) |")
    return "\n".join(lines)


def main() -> None:
    """Run all problems; print the table, write the figures of every seed where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--figure", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun, rows = time.monotonic(), []
    for problem in problems():
        rows.append(measure(problem))
        print(json.dumps(rows[-1]), flush=True)
    studies = list(dict.fromkeys(row["study"] for row in rows))
    results = {
        "machine": platform.processor() or platform.machine(),
        "seconds": round(time.monotonic() - begun),
        "slopes": {study: slope([row for row in rows if row["study"] == study]) for study in studies},
        "rows": rows,
    }
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.figure is not None:
        options.figure.write_text(draw(rows), encoding="utf-8")
    print(table(results))


COLOURS: Final = {"kappa fixed": "#0072B2", "d fixed": "#D55E00", "flat": "#009E73", "hidden": "#CC79A7"}


def draw(rows: Sequence[dict[str, Any]]) -> str:
    """Median steps against what varies, both logarithmic, as a drawing that a page can show."""

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + 100 * math.log10(x / 5), 330 - 80 * math.log10(y / 5)

    parts = []
    for power in range(1, 6):
        x, _ = place(10**power, 5)
        parts.append(
            f'<path d="M{x:.1f} 30V330" stroke="#ccc"/><text x="{x:.1f}" y="348" text-anchor="middle">{10**power:,}</text>'
        )
    for power in range(1, 5):
        _, y = place(5, 10**power)
        parts.append(
            f'<path d="M60 {y:.1f}H480" stroke="#ccc"/><text x="54" y="{y + 4:.1f}" text-anchor="end">{10**power:,}</text>'
        )
    for number, (study, colour) in enumerate(COLOURS.items()):
        points = [place(row["varies"], row["median"]) for row in rows if row["study"] == study]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        against = "against kappa" if study == "d fixed" else "against d"
        parts.append(f'<text x="500" y="{60 + 22 * number}" fill="{colour}">{study}, {against}</text>')
    parts.append('<text x="270" y="368" text-anchor="middle">d or kappa</text>')
    parts.append('<text x="16" y="180" text-anchor="middle" transform="rotate(-90 16 180)">steps to a tenth of the loss</text>')
    size = 'width="680" height="380" viewBox="0 0 680 380"'
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n'
        f'<rect width="680" height="380" fill="#fff"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
