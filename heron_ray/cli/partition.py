"""`heron partition`: who would hold what."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json


@click.command("partition")
@spec_argument
@set_option
@click.option(
    "--figure", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html", help="Also write a heat map of it."
)
@json_option
def command(spec: Path, overrides: tuple[str, ...], figure: Path | None, as_json: bool) -> None:
    """Divide a spec's data over its clients and say who holds what, without training."""
    found = load(spec, overrides)
    from heron_ray.data import partition_report
    from heron_ray.figures import partition_map, write_html
    from heron_ray.simulation.setup import Setup

    setup = Setup.build(found)
    report = partition_report(setup.shards, setup.dataset.labels, setup.dataset.label_count)
    if figure is not None:
        write_html(partition_map(report), figure)
    if as_json:
        print_json(report)
        return
    sizes = report["sizes"]
    print_fields(
        {
            "clients": f"{report['clients']:,}",
            "samples held": f"{report['samples']:,}",
            "samples per client": f"{sizes['min']} to {sizes['max']}, median {sizes['median']:g}",
            "classes per client": f"{report['mean_classes']:.2f} on average",
            "skew": f"{report['mean_total_variation']:.3f} (mean total variation from the law of all samples; 0: none)",
            "figure": figure,
        }
    )
