"""`heron profile`: counted and tracked costs, known before anything is trained."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json, size


@click.command("profile")
@spec_argument
@set_option
@json_option
def command(spec: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print what one client step and one round cost, without running them."""
    found = load(spec, overrides)
    from heron_ray.simulation import profile

    costs = profile(found)
    if as_json:
        print_json(costs.to_dict())
        return
    parts = sorted(costs.client_peak_parts.items(), key=lambda part: -part[1])
    traffic = costs.traffic_per_round_bytes
    print_fields(
        {
            "method": costs.method,
            "client MACs per step": f"{costs.client_macs_per_step:,}",
            "client FLOPs per step": f"{costs.client_flops_per_step:,}",
            "client peak memory": size(costs.client_peak_bytes),
            **{f"  {part.replace('_', ' ')}": size(count) for part, count in parts},
            **{f"{way} per round, {kind}": size(count) for way in ("up", "down") for kind, count in traffic[way].items()},
            "messages per round": f"{costs.messages_per_round:,}",
        }
    )
