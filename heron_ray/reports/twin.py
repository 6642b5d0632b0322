"""What the first-order twin of a run would have cost a client: the same spec, trained by backpropagation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from heron_ray.errors import HeronError
from heron_ray.spec import apply_overrides, parse_spec

TWINS: Final[Mapping[str, str]] = {"heron": "cse_fsl", "fedzo": "fedavg"}
"""Zeroth-order methods, and the first-order method that does the same by backpropagation."""


def twin_costs(spec: Mapping[str, Any]) -> dict[str, int] | None:
    """Multiply-accumulates, FLOPs and peak bytes of one client of the twin, counted and tracked as for the run itself.

    Args:
        spec: The run's spec, as plain values.

    Returns:
        `client_macs_per_step`, `client_flops_per_step`, `client_peak_bytes`; None where the method has no twin, or the twin
        cannot be had with these settings.
    """
    method = spec["method"]["kind"]
    if method not in TWINS:
        return None
    # The profile brings torch, for which only who needs these figures waits.
    from heron_ray.simulation.profile import client_costs

    try:
        changed, _ = apply_overrides(dict(spec), [("method.kind", TWINS[method])])
        costs = client_costs(parse_spec(changed))
    except HeronError:
        return None
    return {
        "client_macs_per_step": costs.client_macs_per_step,
        "client_flops_per_step": costs.client_flops_per_step,
        "client_peak_bytes": costs.client_peak_bytes,
    }
