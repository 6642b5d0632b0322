"""`heron pretrain`: a small language model to fine-tune, where no pretrained one is at hand."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from heron_ray.cli.new_folder import new_folder
from heron_ray.cli.options import json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json

_REPORT_EVERY = 50


@click.command("pretrain")
@spec_argument
@set_option
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Where to."
)
@click.option("--steps", type=click.IntRange(1, 100_000_000), default=500, show_default=True, help="Steps of the optimizer.")
@click.option("--batch-size", type=click.IntRange(1, 100_000), default=16, show_default=True, help="Sequences per step.")
@click.option("--lr", type=click.FloatRange(0, 10, min_open=True), default=1e-3, show_default=True, help="Highest rate.")
@json_option
def command(
    spec: Path, overrides: tuple[str, ...], output: Path, steps: int, batch_size: int, lr: float, as_json: bool
) -> None:
    """Warm up a language model centrally on a spec's text, and save it for fine-tuning.

    Of the spec, `data`, `model`, `seed` and `compute` count. DIR then holds what `save_pretrained` writes; below the folder
    that HERON_DATA_DIR names, specs can name it in `model.pretrained`.
    """
    found = load(spec, overrides)
    new_folder(output)
    from heron_ray.simulation.pretrain import pretrain

    def report(step: int, loss: float) -> None:
        if sys.stderr.isatty() and (step % _REPORT_EVERY == 0 or step == steps):
            click.echo(f"step {step} of {steps}: {loss:.4f} nats per token", err=True)

    warmed = pretrain(found, output, steps=steps, batch_size=batch_size, lr=lr, report=report)
    if as_json:
        print_json({"folder": str(output), **warmed.to_dict()})
        return
    print_fields(
        {
            "written to": output,
            "parameters": f"{warmed.parameters:,}",
            "steps": f"{warmed.steps:,}",
            "validation perplexity": f"{warmed.validation_perplexity:.3f}",
            "test perplexity": f"{warmed.test_perplexity:.3f}",
        }
    )
