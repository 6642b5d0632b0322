"""Accuracy against leakage and epsilon: noise on smashed data or on updates, three methods, several noise multipliers.

`python -m benchmarks.privacy` runs experiments/privacy/digits-smashed.yaml and digits-updates.yaml with each method and sigma
that is not recorded yet, attacks the smashed data of the former with `heron invert`'s decoder at the last round, records all of
it in benchmarks/results/privacy.json and puts the tables into docs/privacy.md; `--figure FILE.svg` draws what is recorded of
smashed data and runs nothing. The rates are those of `benchmarks.methods`, chosen without noise.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.methods import RATES
from benchmarks.pairs import commit, cpu
from heron_ray.errors import DivergedError
from heron_ray.figures import Tradeoff, for_paper, privacy_tradeoff, write_images
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.simulation.leakage import invert
from heron_ray.spec import ExperimentSpec, load_spec

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs" / "privacy.md"
BEGIN, END = "<!-- table: {mechanism} -->", "<!-- end of table: {mechanism} -->"
RESULTS: Final = Path(__file__).parent / "results" / "privacy.json"
METHODS: Final = ("heron", "cse_fsl", "sflv2")
SEEDS: Final = range(3)
"""Of every row."""

EPOCHS: Final = 100
"""Of a decoder's training."""

SIGMAS: Final[Mapping[str, Sequence[float | None]]] = {
    "smashed": (None, 0.1, 0.5, 2.0),
    "updates": (None, 0.01, 0.1, 1.0),
}
"""By mechanism; None is no privacy at all."""


def cells() -> list[tuple[str, str, float | None]]:
    """Mechanism, method and sigma of every row."""
    return [(mechanism, method, sigma) for mechanism in SIGMAS for method in METHODS for sigma in SIGMAS[mechanism]]


def name(mechanism: str, method: str, sigma: float | None) -> str:
    """What a row is recorded under."""
    return f"{mechanism}:{method}:{sigma}"


def overrides(mechanism: str, method: str, sigma: float | None) -> list[str]:
    """What turns the base spec of a mechanism into a row."""
    client, server = RATES["digits"][method]
    lines = [f"method.kind={method}", f"method.client_optimizer.lr={client}", f"method.server_optimizer.lr={server}"]
    return [*lines, "privacy=null" if sigma is None else f"privacy.{mechanism}.sigma={sigma}"]


def row_spec(mechanism: str, method: str, sigma: float | None, seed: int = 0) -> ExperimentSpec:
    """The experiment of one run."""
    path = ROOT / "experiments" / "privacy" / f"digits-{mechanism}.yaml"
    return load_spec(path, [*overrides(mechanism, method, sigma), f"seed={seed}"])[0]


def measure(spec: ExperimentSpec, *, attack: bool) -> dict[str, Any]:
    """Run one experiment; a run that diverges has no figures but that."""
    sink, start = ListSink(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        checkpointer = Checkpointer(folder)
        try:
            with LocalExecutor() as executor:
                result = Simulation(spec, executor, sink=sink, checkpointer=checkpointer).run()
        except DivergedError as error:
            return {"diverged_in_round": error.round}
        last = [event.metrics for event in sink.events if isinstance(event, RoundFinished)][-1]
        found = {
            "test_accuracy": round(result.test_accuracy, 4),
            "auxiliary_accuracy": round(result.auxiliary_accuracy, 4),
            "distance_correlation": round(last["leakage_distance_correlation"], 4),
            **(result.privacy or {}),
        }
        if attack:
            told = invert(spec, checkpointer.load(checkpointer.paths()[0]), epochs=EPOCHS).figures
            kept = ("mse", "psnr_db", "ssim", "class_mean_psnr_db", "class_mean_ssim")
            found |= {f"inversion_{key}": round(told[key], 4) for key in kept}
    return found | {"processor_seconds": round(time.process_time() - start, 1)}


def measure_row(mechanism: str, method: str, sigma: float | None) -> dict[str, Any]:
    """All seeds of a row, and where the figures come from."""
    return {
        "command": "python -m benchmarks.privacy",
        "commit": commit(),
        "machine": {"cpu": cpu(), "python": platform.python_version(), "torch": torch.__version__},
        "overrides": overrides(mechanism, method, sigma),
        "seeds": {
            str(seed): measure(row_spec(mechanism, method, sigma, seed), attack=mechanism == "smashed") for seed in SEEDS
        },
    }


def load_results() -> dict[str, Any]:
    """What is recorded."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else {}


def mean(row: Mapping[str, Any], key: str) -> float | None:
    """Over the seeds; None where one diverged or has no such figure."""
    values = [seed.get(key) for seed in row["seeds"].values()]
    return None if None in values else statistics.mean(values)


def table(mechanism: str, results: Mapping[str, Any]) -> str:
    """The rows of a mechanism as a Markdown table of means over seeds."""
    smashed = mechanism == "smashed"
    heads = ["method", "sigma", "seeds", "epsilon", "test accuracy", "auxiliary accuracy"]
    heads += ["distance correlation", "inversion: PSNR, dB", "SSIM"] if smashed else []
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for each, method, sigma in cells():
        if each != mechanism or name(each, method, sigma) not in results:
            continue
        row = results[name(each, method, sigma)]
        epsilon = mean(row, f"epsilon_{mechanism}")
        figures = [mean(row, "test_accuracy"), mean(row, "auxiliary_accuracy")]
        cells_ = [f"`{method}`", "none" if sigma is None else f"{sigma:g}", str(len(row["seeds"]))]
        cells_ += ["—" if epsilon is None else f"{epsilon:,.0f}"]
        cells_ += ["diverged" if value is None else f"{value:.3f}" for value in figures]
        if smashed:
            for key, form in (("distance_correlation", ".3f"), ("inversion_psnr_db", ".1f"), ("inversion_ssim", ".3f")):
                value = mean(row, key)
                cells_.append("—" if value is None else format(value, form))
        lines.append(f"| {' | '.join(cells_)} |")
    return "\n".join(lines)


def figure(results: Mapping[str, Any]) -> dict[str, Any]:
    """Test accuracy over what an inversion gets, a line per method; each point is a sigma."""
    lines: dict[str, list[Tradeoff]] = {}
    for method in METHODS:
        rows = [(sigma, results.get(name("smashed", method, sigma))) for sigma in SIGMAS["smashed"]]
        lines[method] = [
            {
                "label": "no noise" if sigma is None else f"sigma {sigma:g}",
                "accuracy": mean(row, "test_accuracy"),
                "psnr_db": mean(row, "inversion_psnr_db"),
                "distance_correlation": mean(row, "distance_correlation"),
            }
            for sigma, row in rows
            if row is not None
        ]
    return privacy_tradeoff(lines, title="Digits: what noise on smashed data takes from accuracy and from an attacker")


def main() -> None:
    """Run what is not recorded yet, record it row by row, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="ROW", help="run one row again, as in smashed:heron:0.5; None is no noise")
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="draw what is recorded; run nothing")
    options = parser.parse_args()
    results = load_results()
    if options.figure is not None:
        write_images({options.figure: for_paper(figure(results))})
        return
    for cell in cells():
        if (name(*cell) in results) if options.only is None else (name(*cell) != options.only):
            continue
        results[name(*cell)] = measure_row(*cell)
        print(json.dumps({name(*cell): results[name(*cell)]["seeds"]}), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page = DOCS.read_text(encoding="utf-8")
    for mechanism in SIGMAS:
        begin, end = BEGIN.format(mechanism=mechanism), END.format(mechanism=mechanism)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{table(mechanism, results)}\n{end}{rest.split(end)[1]}"
    DOCS.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
