"""`heron study`: a grid of experiments from one file, ending in figures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heron_ray.cli.failure import FAILED
from heron_ray.cli.options import json_option, set_option
from heron_ray.cli.output import print_json, share
from heron_ray.cli.study_table import print_rows
from heron_ray.cli.study_verbs import cancel, fetch, list_them, show, submit

if TYPE_CHECKING:
    from heron_ray.spec import ExperimentSpec
    from heron_ray.studies import Cell
    from heron_ray.studies.table import Row


@click.group("study")
def command() -> None:
    """Run a grid of experiments that ends in figures."""


@command.command("run")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where results, tables and figures go; what is finished there is not run again.  [default: the file's name, .results]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1000),
    default=lambda: os.cpu_count() or 1,
    show_default="one per core",
    help="Cells that run at the same time, each in a process.",
)
@click.option(
    "--only", "chosen", multiple=True, metavar="AXIS=LABEL,...", help="Run only these labels of an axis. May be repeated."
)
@set_option
@click.option("--dry-run", is_flag=True, help="Check the study, say what it comes to, and stop.")
@json_option
def run(
    study: Path,
    out: Path | None,
    workers: int,
    chosen: tuple[str, ...],
    overrides: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run every cell of a study and draw its figures.

    --set changes every cell before the axes are applied. Ctrl-C ends running cells after their rounds, with a
    checkpoint; a second one ends them at once. The same command again goes on where it stopped.
    """
    from heron_ray.studies import expand, read_study

    found = read_study(study, overrides)
    cells = expand(found, _only(chosen))
    if dry_run:
        _describe(cells, as_json=as_json)
        return
    from heron_ray.cli.stop_signal import StopSignal
    from heron_ray.studies.folder import StudyFolder
    from heron_ray.studies.report import write_report
    from heron_ray.studies.run import run_cells
    from heron_ray.studies.table import rows_of

    folder = StudyFolder(out or study.with_suffix(".results"))
    with folder.exclusive():
        tell = _Teller(len({cell.key for cell in cells if cell.key is not None and folder.outcome(cell.key) is None}))
        with StopSignal(started=True) as stop:
            outcomes = run_cells(cells, folder, workers=workers, should_stop=stop, ended=tell)
        rows = rows_of(cells, outcomes)
        files = write_report(found, rows, folder.path)
    _report(rows, files, as_json=as_json)
    if any(row.state in ("FAILED", "CANCELLED", "NOT_RUN") for row in rows):
        raise click.exceptions.Exit(FAILED)


def _only(chosen: tuple[str, ...]) -> dict[str, list[str]]:
    """Axis to labels; the same axis twice adds labels."""
    wanted: dict[str, list[str]] = {}
    for text in chosen:
        name, equals, labels = text.partition("=")
        if not equals or not labels:
            raise click.UsageError(f"--only reads AXIS=LABEL,LABEL such as --only rule=mean,krum; got {text!r}")
        wanted.setdefault(name.strip(), []).extend(label.strip() for label in labels.split(","))
    return wanted


class _Teller:
    """Says on stderr, one line each, which cells have ended."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._ended = 0

    def __call__(self, spec: ExperimentSpec, outcome: dict[str, Any]) -> None:
        self._ended += 1
        result, message = outcome["result"], outcome["message"]
        end = f"server {share(result['test_accuracy'])}, auxiliary {share(result['auxiliary_accuracy'])}" if result else message
        click.echo(f"{self._ended}/{self._count} {spec.name}: {outcome['state']}{f', {end}' if end else ''}", err=True)


def _describe(cells: list[Cell], *, as_json: bool) -> None:
    keys = {cell.key for cell in cells if cell.key is not None}
    impossible = [{"labels": dict(cell.labels), "reason": cell.impossible} for cell in cells if cell.spec is None]
    if as_json:
        print_json({"cells": len(cells), "experiments": len(keys), "impossible": impossible})
        return
    click.echo(f"{len(cells)} cells, {len(keys)} different experiments, {len(impossible)} impossible")
    for one in impossible:
        click.echo(f"impossible: {_words(one['labels'])}: {one['reason']}")


def _words(labels: Any) -> str:
    return ", ".join(f"{name}={label}" for name, label in labels.items())


def _report(rows: list[Row], files: list[Path], *, as_json: bool) -> None:
    from heron_ray.studies.table import states_of

    if as_json:
        cells = [{"labels": dict(row.labels), **row.plain} for row in rows]
        print_json({"states": states_of(rows), "cells": cells, "files": [str(path) for path in files]})
        return
    print_rows(rows)
    for path in files:
        click.echo(str(path))


for _verb in (submit, list_them, show, cancel, fetch):
    command.add_command(_verb)
