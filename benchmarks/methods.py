"""Every method on two tasks: accuracy, bytes, client work, client memory, messages and seconds, as means over seeds.

`python -m benchmarks.methods` runs all of it, records every seed in benchmarks/results/methods.json and prints the tables;
`--only digits` or `--only digits:cse_fsl` runs a part. `--write-docs` runs nothing and puts the recorded tables into
docs/methods.md. `--tune` records nothing and prints the validation accuracy of every pair of rates in `GRID`.

The tasks are the base specs in experiments/methods: same data, rounds and local steps for all. A method has its own rates,
chosen by the validation accuracy of the server (of the whole model where there is no server) with seed 0.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.pairs import commit, cpu
from heron_ray.errors import DivergedError
from heron_ray.methods import Fate, make_method
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import ExperimentSpec, load_spec

ROOT: Final = Path(__file__).parent.parent
RESULTS: Final = Path(__file__).parent / "results" / "methods.json"
DOCS: Final = ROOT / "docs" / "methods.md"
BEGIN, END = "<!-- table: {task} -->", "<!-- end of table: {task} -->"

SEEDS: Final = {"digits": 3, "cifar10": 1}
"""Seeds 0, 1, ... of each task."""

KINDS: Final[Mapping[str, Sequence[str]]] = {
    "sflv1": ["method.kind=sflv1"],
    "sflv2": ["method.kind=sflv2"],
    "split_lora": ["method.kind=split_lora", "model.lora={rank: 4, alpha: 32}"],
    "local_loss": ["method.kind=local_loss"],
    "cse_fsl": ["method.kind=cse_fsl"],
    "fsl_sage": ["method.kind=fsl_sage"],
    "fedgkt": ["method.kind=fedgkt"],
    "heron": ["method.kind=heron"],
    "heron-scalars": ["method.kind=heron", "method.upload=scalars"],
    "ho_sfl": ["method.kind=ho_sfl"],
    "mu_splitfed": ["method.kind=mu_splitfed"],
    "frozen_client": ["method.kind=frozen_client"],
    "fedavg": ["method.kind=fedavg"],
    "fedzo": ["method.kind=fedzo"],
}
"""Rows of a table, in its order, and the overrides of the base spec that make them."""

PROBES: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "digits": {
        "mu_splitfed": ["method.server_steps=2", "method.server_zeroth_order={probes: 8}"],
        "fedzo": ["method.zeroth_order.probes=16"],
    },
    "cifar10": {
        "mu_splitfed": ["method.mu=0.1", "method.server_zeroth_order={mu: 1, probes: 4}"],
        "fedzo": ["method.zeroth_order.mu=1"],
    },
}
"""Zeroth-order settings other than the base spec's."""

Rates = tuple[float | None, float | None]
"""Learning rates of client and main server; None where there is no such optimizer."""

RATES: Final[Mapping[str, Mapping[str, Rates]]] = {
    "digits": {
        "sflv1": (0.3, 0.3),
        "sflv2": (0.1, 0.1),
        "split_lora": (0.003, 0.01),
        "local_loss": (0.1, 0.3),
        "cse_fsl": (0.1, 0.1),
        "fsl_sage": (0.3, 0.1),
        "fedgkt": (0.1, 0.1),
        "heron": (0.05, 0.1),
        "heron-scalars": (0.05, 0.1),
        "ho_sfl": (0.1, 0.1),
        "mu_splitfed": (0.001, 0.01),
        "frozen_client": (None, 0.3),
        "fedavg": (0.3, None),
        "fedzo": (0.03, None),
    },
    "cifar10": {
        "sflv1": (0.3, 0.3),
        "sflv2": (0.1, 0.1),
        "split_lora": (0.003, 0.01),
        "local_loss": (0.3, 0.1),
        "cse_fsl": (0.1, 0.1),
        "fsl_sage": (0.1, 0.1),
        "fedgkt": (0.03, 0.1),
        "heron": (0.01, 0.3),
        "heron-scalars": (0.01, 0.3),
        "ho_sfl": (0.03, 0.1),
        "mu_splitfed": (0.001, 0.003),
        "frozen_client": (None, 0.3),
        "fedavg": (0.3, None),
        "fedzo": (0.0003, None),
    },
}
"""The rates chosen."""


def _pairs(clients: Sequence[float | None], servers: Sequence[float | None]) -> list[Rates]:
    return [(client, server) for client in clients for server in servers]


GRID: Final[Mapping[str, Mapping[str, Sequence[Rates]]]] = {
    "digits": {
        "frozen_client": _pairs([None], [0.1, 0.3, 0.6, 1.0]),
        "sflv1": _pairs([0.1, 0.3], [0.3, 1.0]),
        "sflv2": _pairs([0.1, 0.3], [0.1, 0.3]),
        "split_lora": _pairs([0.001, 0.003], [0.01, 0.03]),
        "local_loss": _pairs([0.1, 0.3], [0.3, 1.0]),
        "cse_fsl": _pairs([0.1, 0.3], [0.1, 0.3]),
        "fedavg": _pairs([0.1, 0.3, 1.0], [None]),
        "heron": _pairs([0.03, 0.05], [0.1, 0.3]),
        "ho_sfl": _pairs([0.05, 0.1], [0.1, 0.3]),
        "fedgkt": [*_pairs([0.1, 0.3], [0.1, 0.3]), (0.03, 0.1), (0.1, 0.03)],
        "mu_splitfed": _pairs([0.001, 0.003], [0.003, 0.01]),
        "fedzo": _pairs([0.01, 0.02, 0.03, 0.05], [None]),
        "fsl_sage": _pairs([0.1, 0.3], [0.1, 0.3]),
    },
    "cifar10": {
        "frozen_client": _pairs([None], [0.1, 0.3]),
        "sflv1": _pairs([0.1, 0.3], [0.1, 0.3]),
        "sflv2": _pairs([0.03, 0.1], [0.03, 0.1]),
        "split_lora": _pairs([0.003, 0.01], [0.003, 0.01]),
        "local_loss": _pairs([0.1, 0.3], [0.1, 0.3]),
        "cse_fsl": _pairs([0.1, 0.3], [0.03, 0.1]),
        "fedavg": _pairs([0.1, 0.3], [None]),
        "heron": _pairs([0.01, 0.03], [0.1, 0.3]),
        "ho_sfl": _pairs([0.01, 0.03], [0.1, 0.3]),
        "fsl_sage": _pairs([0.03, 0.1], [0.1]),
        "fedgkt": _pairs([0.03, 0.1], [0.1]),
        "mu_splitfed": _pairs([0.001], [0.0003, 0.003]),
        "fedzo": _pairs([0.0003, 0.003], [None]),
    },
}
"""What `--tune` tries. `heron-scalars` follows the path of `heron` bit for bit and has its rates."""


def overrides(task: str, row: str, rates: Rates | None = None) -> list[str]:
    """What turns a task's base spec into a row, with the chosen rates or others."""
    client, server = rates or RATES[task][row]
    lines = [*KINDS[row], *PROBES[task].get(row, [])]
    lines += [] if client is None else [f"method.client_optimizer.lr={client}"]
    return lines + ([] if server is None else [f"method.server_optimizer.lr={server}"])


def row_spec(task: str, row: str, seed: int = 0, rates: Rates | None = None) -> ExperimentSpec:
    """The experiment of one run."""
    return load_spec(ROOT / "experiments" / "methods" / f"{task}.yaml", [*overrides(task, row, rates), f"seed={seed}"])[0]


def measure(spec: ExperimentSpec) -> dict[str, Any]:
    """Run one experiment on the local executor: the figures of one seed.

    `auxiliary_accuracy` is None where nobody trains an auxiliary head. Seconds include loading and evaluation;
    `processor_seconds` do not depend on what else the machine is doing, or little.
    """
    sink = ListSink()
    start = time.process_time()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink).run()
    processor_seconds = time.process_time() - start
    rounds = [event.metrics for event in sink.events if isinstance(event, RoundFinished)]
    has_auxiliary = make_method(spec.method).parts.get("auxiliary", Fate.FIXED) is not Fate.FIXED
    return {
        "test_accuracy": round(result.test_accuracy, 4),
        "auxiliary_accuracy": round(result.auxiliary_accuracy, 4) if has_auxiliary else None,
        "validation_accuracy": round(result.validation_accuracy, 4),
        "bytes_up": result.costs.bytes_up,
        "bytes_down": result.costs.bytes_down,
        "client_macs_per_step": result.costs.client_macs_per_step,
        "client_peak_bytes": result.costs.client_peak_bytes,
        "messages": int(sum(metrics["messages"] for metrics in rounds)),
        "wall_seconds": round(result.wall_seconds, 1),
        "processor_seconds": round(processor_seconds, 1),
    }


def measure_row(task: str, row: str) -> dict[str, Any]:
    """All seeds of a row, and where the figures come from."""
    seeds = {str(seed): measure(row_spec(task, row, seed)) for seed in range(SEEDS[task])}
    return {
        "command": f"python -m benchmarks.methods --only {task}:{row}",
        "commit": commit(),
        "machine": {"cpu": cpu(), "python": platform.python_version(), "torch": torch.__version__},
        "overrides": overrides(task, row),
        "seeds": seeds,
    }


def load_results() -> dict[str, Any]:
    """The recorded rows, by "task:row"."""
    rows: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return rows


def record(task: str, row: str, measured: Mapping[str, Any]) -> None:
    """Put one row into the file of results, in the tables' order."""
    rows = load_results() | {f"{task}:{row}": measured}
    ordered = {name: rows[name] for name in cells() if name in rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def cells() -> list[str]:
    """Every "task:row", in order."""
    return [f"{task}:{row}" for task in SEEDS for row in KINDS]


def table(task: str, results: Mapping[str, Any]) -> str:
    """A task's rows as a Markdown table."""
    lines = [
        "| method | test accuracy | auxiliary accuracy | MiB up | MiB down | client kMAC per step | client peak, KiB "
        "| messages | seconds |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in KINDS:
        if (measured := results.get(f"{task}:{row}")) is not None:
            lines.append(_line(row, list(measured["seeds"].values())))
    return "\n".join(lines)


def _line(row: str, seeds: Sequence[Mapping[str, Any]]) -> str:
    def mean(key: str, unit: float = 1.0) -> float:
        return float(statistics.mean(seed[key] for seed in seeds)) / unit

    values = [
        f"`{row}`",
        _accuracy([seed["test_accuracy"] for seed in seeds]),
        "—" if seeds[0]["auxiliary_accuracy"] is None else _accuracy([seed["auxiliary_accuracy"] for seed in seeds]),
        f"{mean('bytes_up', 2**20):.1f}",
        f"{mean('bytes_down', 2**20):.1f}",
        f"{mean('client_macs_per_step', 1e3):,.0f}",
        f"{mean('client_peak_bytes', 2**10):,.0f}",
        f"{mean('messages'):,.0f}",
        f"{mean('processor_seconds'):.0f}",
    ]
    return f"| {' | '.join(values)} |"


def _accuracy(values: Sequence[float]) -> str:
    """The mean, and in brackets the lowest and the highest of several seeds."""
    mean, least, most = (f"{value:.3f}".removeprefix("0") for value in (statistics.mean(values), min(values), max(values)))
    return f"{mean} ({least}-{most})" if len(values) > 1 else mean


def write_docs(page: Path = DOCS) -> None:
    """Put the recorded tables between their markers on the page."""
    text, results = page.read_text(encoding="utf-8"), load_results()
    for task in SEEDS:
        begin, end = BEGIN.format(task=task), END.format(task=task)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table(task, results)}\n{end}{rest.split(end)[1]}"
    page.write_text(text, encoding="utf-8")


def tune(task: str, row: str) -> Iterator[dict[str, Any]]:
    """Validation accuracies over the grid, with seed 0."""
    for rates in GRID[task].get(row, []):
        line: dict[str, Any] = {"task": task, "row": row, "client_lr": rates[0], "server_lr": rates[1]}
        try:
            yield line | {"validation_accuracy": measure(row_spec(task, row, 0, rates))["validation_accuracy"]}
        except DivergedError as error:
            yield line | {"diverged_in_round": error.round}


def main() -> None:
    """Run the rows asked for, or write the docs, or tune."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(SEEDS), metavar="TASK[:METHOD]", help="run these tasks or rows")
    parser.add_argument("--tune", action="store_true", help="try every pair of rates")
    parser.add_argument("--write-docs", action="store_true", help="write docs/methods.md from the recorded results")
    options = parser.parse_args()
    chosen = [cell for cell in cells() if cell in options.only or cell.split(":")[0] in options.only]
    if unknown := [name for name in options.only if name not in [*SEEDS, *cells()]]:
        parser.error(f"no such task or row: {', '.join(unknown)}; there are {', '.join([*SEEDS, *cells()])}")
    if options.write_docs:
        write_docs()
        return
    for cell in chosen:
        task, row = cell.split(":")
        if options.tune:
            for line in tune(task, row):
                print(json.dumps(line), flush=True)
        else:
            record(task, row, measured := measure_row(task, row))
            print(_line(f"{task}: {row}", list(measured["seeds"].values())), flush=True)
    if not options.tune:
        for task in SEEDS:
            print(f"\n{task}\n\n{table(task, load_results())}")


if __name__ == "__main__":
    main()
