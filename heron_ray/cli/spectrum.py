"""`heron spectrum`: the Hessian of the clients' loss at the initial model, or at a checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heron_ray.cli.newest_checkpoint import newest_checkpoint
from heron_ray.cli.options import checkpoint_option, json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json

if TYPE_CHECKING:
    from heron_ray.spec import ExperimentSpec
    from heron_ray.spec.compute import SpectrumSpec


@click.command("spectrum")
@spec_argument
@set_option
@checkpoint_option
@click.option("--samples", type=int, metavar="N", help="Training samples.")
@click.option("--probes", type=int, metavar="Q", help="Random vectors.")
@click.option("--lanczos-steps", type=int, metavar="M", help="Lanczos steps per random vector.")
@click.option("--precision", type=click.Choice(["float32", "float64"]), help="In which the Hessian is computed.")
@click.option(
    "--figure", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html", help="Draw the density to a page."
)
@json_option
def command(
    spec: Path,
    overrides: tuple[str, ...],
    checkpoint_dir: Path | None,
    samples: int | None,
    probes: int | None,
    lanczos_steps: int | None,
    precision: str | None,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Look at the Hessian of the clients' loss: norm, trace, effective rank, density of eigenvalues.

    What is not given is as evaluation.spectrum says, or its defaults. At a checkpoint after round t the values are those of the
    run's own series.
    """
    found = load(spec, overrides)
    given = {"samples": samples, "probes": probes, "lanczos_steps": lanczos_steps, "precision": precision}
    options = _options(found, {name: value for name, value in given.items() if value is not None})
    checkpoint = newest_checkpoint(found, checkpoint_dir) if checkpoint_dir is not None else None
    from heron_ray.errors import DivergedError
    from heron_ray.simulation.curvature import spectrum_at

    round = checkpoint.round if checkpoint is not None else 0
    values = spectrum_at(found, checkpoint, options)
    if not math.isfinite(values.norm):
        raise DivergedError("the Hessian of the clients' loss is not finite", round=round, hint="look at an earlier checkpoint")
    if figure is not None:
        from heron_ray.figures import spectral_density, write_html

        write_html(spectral_density({found.name: (values.nodes, values.weights)}), figure)
    if as_json:
        print_json({"round": round, "method": found.method.kind, **options.model_dump(exclude={"every"}), **values.to_dict()})
        return
    print_fields(
        {
            "after round": round,
            "parameters d": f"{values.size:,}",
            "norm": f"{values.norm:.6g} (an eigenvalue lies within {values.norm_residual:.1g})",
            "trace": f"{values.trace:.6g} ± {values.trace_error:.2g}",
            "  of positive eigenvalues": f"{values.positive_trace:.6g}",
            "effective rank": f"{values.effective_rank:.4g}",
            "Hessian-vector products": f"{values.products:,}",
        }
    )


def _options(spec: ExperimentSpec, given: dict[str, int | str]) -> SpectrumSpec:
    from pydantic import ValidationError

    from heron_ray.spec.compute import SpectrumSpec

    base = spec.evaluation.spectrum or SpectrumSpec()
    try:
        return SpectrumSpec.model_validate({**base.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise click.UsageError(f"--{option}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
