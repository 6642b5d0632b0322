"""`heron profile`: counted and tracked costs, known before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from heron_ray.cli.options import json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json, size

if TYPE_CHECKING:
    from heron_ray.privacy import SecureAggregation
    from heron_ray.simulation.paper_convention import PaperConvention


@click.command("profile")
@spec_argument
@set_option
@click.option(
    "--device",
    type=click.Choice(["meta", "cuda"]),
    default="meta",
    show_default=True,
    help="cuda: also run one client's round on the card, on zeros, and report the card's own peak memory.",
)
@json_option
def command(spec: Path, overrides: tuple[str, ...], device: Literal["meta", "cuda"], as_json: bool) -> None:
    """Print what one client step and one round cost, without data: counted and tracked, and as the paper counts."""
    found = load(spec, overrides)
    from heron_ray.simulation import profile

    costs = profile(found, device)
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
            "card's peak memory": None if costs.device_peak_bytes is None else size(costs.device_peak_bytes),
            "  of it tracked": None if costs.device_tracked_bytes is None else size(costs.device_tracked_bytes),
            **{f"{way} per round, {kind}": size(count) for way in ("up", "down") for kind, count in traffic[way].items()},
            "messages per round": f"{costs.messages_per_round:,}",
            **_secure_fields(costs.secure_aggregation),
            **_edge_fields(costs.edge),
            **_paper_fields(costs.paper_convention),
        }
    )


def _secure_fields(secure: SecureAggregation | None) -> dict[str, object]:
    """What the updates would weigh if the federation server were to see their sum alone."""
    if secure is None:
        return {}
    up, down = size(secure.client_up_bytes), size(secure.client_down_bytes)
    return {"with secure aggregation, a client's update": f"{up} up, {down} down ({secure.expansion:.2f} times as much)"}


def _edge_fields(edge: dict[str, Any] | None) -> dict[str, object]:
    """Who has too little memory, where devices are simulated."""
    if edge is None:
        return {}
    devices = {f"  {name}": f"{count:,}" for name, count in edge["excluded_by_device"].items()}
    return {"clients excluded for want of memory": f"{edge['excluded']:,} of {edge['clients']:,}", **devices}


def _paper_fields(paper: PaperConvention | None) -> dict[str, object]:
    """The paper's own units, with its decimals."""
    if paper is None:
        return {}
    traffic = None if paper.traffic_gib is None else f"{paper.traffic_gib:.2f} GiB"
    return {
        "as the paper counts, MACs per step": f"{paper.macs_per_step / 1e9:.2f} G",
        "as the paper counts, peak memory": f"{paper.peak_mib:.2f} MiB",
        "as the paper counts, traffic of all rounds": traffic,
    }
