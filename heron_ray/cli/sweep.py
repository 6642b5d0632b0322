"""`heron sweep`: many experiments over one search space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from heron_ray.cli.failure import FAILED
from heron_ray.cli.options import json_option, set_option, spec_argument
from heron_ray.cli.output import print_json

if TYPE_CHECKING:
    from heron_ray.spec.space import SweepSpec

MOST_AT_ONCE = 4


@click.group("sweep")
def command() -> None:
    """Try one experiment at many points of a search space."""


@command.command("run")
@spec_argument
@click.option("--space", required=True, metavar="SPACE", help="A named space, or one as YAML: {path: {kind: ..., ...}}.")
@click.option("--samples", type=click.IntRange(1, 10_000), default=8, show_default=True, help="Trials.")
@click.option(
    "--search",
    type=click.Choice(["random", "grid"]),
    default="random",
    show_default=True,
    help="random: drawn from the axes. grid: evenly spread points of every axis, crossed.",
)
@click.option(
    "--scheduler",
    type=click.Choice(["none", "asha"]),
    default="none",
    show_default=True,
    help="asha: stop trials that fall behind the others.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the random search.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=lambda: min(MOST_AT_ONCE, os.cpu_count() or 1),
    show_default="one per core, at most 4",
    help="Trials that run at the same time.",
)
@set_option
@json_option
def run(
    spec: Path,
    space: str,
    samples: int,
    search: Literal["grid", "random"],
    scheduler: Literal["none", "asha"],
    seed: int,
    concurrency: int,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run a sweep here, without a service.

    What is best is decided on validation accuracy; test accuracy is for reporting only. Ctrl-C ends the running trials after
    their rounds; a second one ends them at once.
    """
    from heron_ray.cli.sweep_report import sweep_table
    from heron_ray.spec import apply_overrides, parse_override, read_spec_file
    from heron_ray.spec.space import SweepSpec
    from tune_spaces import require_fit, resolve_space

    base, notes = apply_overrides(read_spec_file(spec), [parse_override(text) for text in overrides])
    for note in notes:
        click.echo(f"note: {note}", err=True)
    sweep = SweepSpec(space=resolve_space(_space(space)), samples=samples, search=search, scheduler=scheduler, seed=seed)
    name = require_fit(sweep, base).name
    outcome = _run(base, sweep, name, concurrency)
    if as_json:
        print_json(outcome)
    else:
        for line in sweep_table(outcome):
            click.echo(line)
    if outcome["state"] != "SUCCEEDED":
        if outcome["message"]:
            click.echo(f"error: {outcome['message']}", err=True)
        raise click.exceptions.Exit(FAILED)


def _space(text: str) -> object:
    """A name, or the mapping that a YAML text in braces spells out."""
    from heron_ray.spec import parse_yaml

    return parse_yaml(text, origin="--space") if text.lstrip().startswith("{") else text


def _run(base: dict[str, Any], sweep: SweepSpec, name: str, concurrency: int) -> dict[str, Any]:
    from api.dispatcher.embedded import EmbeddedDispatcher
    from heron_ray.cli.stop_signal import StopSignal
    from heron_ray.cli.sweep_report import describe_sweep, follow_sweep

    with EmbeddedDispatcher(concurrency=concurrency) as dispatcher, StopSignal() as stop:
        sweeps = dispatcher.store.sweeps
        id = sweeps.submit(base, sweep, name=name).id
        follow_sweep(sweeps, id, stop)
        return describe_sweep(sweeps.get(id), sweeps.trials(id))
