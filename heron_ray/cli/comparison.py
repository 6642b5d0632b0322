"""Ended experiments side by side: a table, and a figure of their accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from heron_ray.cli.output import share, size
from heron_ray.client import Curve, Experiment
from heron_ray.figures import accuracy_curves, write_html

_ROWS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("test accuracy", lambda result: share(result["test_accuracy"])),
    ("auxiliary accuracy", lambda result: share(result["auxiliary_accuracy"])),
    ("rounds", lambda result: f"{result['rounds']:,}"),
    ("client peak memory", lambda result: size(result["costs"]["client_peak_bytes"])),
    ("client MACs per step", lambda result: f"{result['costs']['client_macs_per_step']:,}"),
    ("sent up", lambda result: size(result["costs"]["bytes_up"])),
    ("sent down", lambda result: size(result["costs"]["bytes_down"])),
    ("wall seconds", lambda result: f"{result['wall_seconds']:.1f}"),
)


def comparison_table(experiments: Sequence[Experiment]) -> Table:
    """One column per experiment that has a result."""
    table = Table()
    table.add_column("")
    results = [(experiment.name, experiment.result) for experiment in experiments if experiment.result is not None]
    for name, _ in results:
        table.add_column(escape(name), justify="right")
    for heading, cell in _ROWS:
        table.add_row(heading, *(cell(result) for _, result in results))
    return table


def write_accuracy_page(series_by_name: Mapping[str, Mapping[str, Curve]], path: Path) -> None:
    """Write the accuracy of every experiment against its rounds as a standalone page."""
    runs = {name: {key: curve.plain() for key, curve in series.items()} for name, series in series_by_name.items()}
    write_html(accuracy_curves(runs, title="Accuracy on the test split"), path)
