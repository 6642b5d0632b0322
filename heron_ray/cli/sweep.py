"""`heron sweep`: many experiments over one search space."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from heron_ray.cli.failure import FAILED
from heron_ray.cli.options import json_option
from heron_ray.cli.output import print_json
from heron_ray.cli.sweep_plan import plan_options
from heron_ray.cli.sweep_verbs import VERBS

if TYPE_CHECKING:
    from heron_ray.spec.sweep import SweepSpec

MOST_AT_ONCE = 4


@click.group("sweep")
def command() -> None:
    """Try one experiment at many points of a search space.

    `run` works without a service; the other verbs talk to one.
    """


@command.command("run")
@plan_options
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=lambda: min(MOST_AT_ONCE, os.cpu_count() or 1),
    show_default="one per core, at most 4",
    help="Trials that run at the same time.",
)
@json_option
def run(base: dict[str, Any], space: Any, plan: dict[str, Any], concurrency: int, as_json: bool) -> None:
    """Run a sweep here, without a service.

    What is best is decided on validation accuracy, or by other objectives; test accuracy is for reporting only. Ctrl-C ends the
    running trials after their rounds; a second one ends them at once.
    """
    from heron_ray.cli.sweep_report import sweep_table
    from tune_spaces import plan_sweep, require_fit

    sweep = plan_sweep(space, plan)
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


def _run(base: dict[str, Any], sweep: SweepSpec, name: str, concurrency: int) -> dict[str, Any]:
    from api.dispatcher.embedded import EmbeddedDispatcher
    from heron_ray.cli.stop_signal import StopSignal
    from heron_ray.cli.sweep_report import describe_sweep, follow_sweep

    with EmbeddedDispatcher(concurrency=concurrency) as dispatcher, StopSignal() as stop:
        sweeps = dispatcher.store.sweeps
        id = sweeps.submit(base, sweep, name=name).id
        follow_sweep(sweeps, id, stop)
        return describe_sweep(sweeps.get(id), sweeps.trials(id))


for _verb in VERBS:
    command.add_command(_verb)
