"""What verbs print on stdout: JSON, aligned fields, aligned columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line."""
    click.echo(json.dumps(value))


def print_fields(fields: Mapping[str, object]) -> None:
    """One `name  value` per line; fields that are None are left out."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        if value is not None:
            click.echo(f"{name:<{width}}  {value}")


def print_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def share(value: float) -> str:
    """A share of 1, as a percentage.

    >>> share(0.9472)
    '94.72 %'
    """
    return f"{100 * value:.2f} %"


def size(value: float) -> str:
    """A number of bytes, in the largest unit below it.

    >>> size(1536), size(12)
    ('1.5 KiB', '12 B')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def local_time(moment: datetime) -> str:
    """A time on this machine's clock, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def result_fields(result: Mapping[str, Any]) -> dict[str, object]:
    """A run's result in words, for `print_fields`."""
    costs = result["costs"]
    return {
        "state": result["state"],
        "rounds": result["rounds"],
        "test accuracy": share(result["test_accuracy"]),
        "test loss": f"{result['test_loss']:.4f}",
        "auxiliary accuracy": share(result["auxiliary_accuracy"]),
        **{f"perplexity, {name}": f"{value:.3f}" for name, value in (result.get("perplexity") or {}).items()},
        "client MACs per step": f"{costs['client_macs_per_step']:,}",
        "client peak memory": size(costs["client_peak_bytes"]),
        "sent up": size(costs["bytes_up"]),
        "sent down": size(costs["bytes_down"]),
        **{f"serialized, {way}": size(count) for way, count in (result.get("serialized_bytes") or {}).items()},
        "wall time": f"{result['wall_seconds']:.1f} s",
        **_edge_fields(result.get("edge")),
        **_privacy_fields(result.get("privacy")),
        **{f"diagnosis {number}": diagnosis_text(one) for number, one in enumerate(result.get("diagnoses") or (), start=1)},
        "trajectory digest": result["trajectory_digest"],
        "spec hash": result["spec_hash"],
    }


def _privacy_fields(privacy: Mapping[str, Any] | None) -> dict[str, object]:
    """What noised messages have told, where there are any."""
    if privacy is None:
        return {}
    words = {"smashed": "smashed data", "updates": "updates"}
    return {
        f"epsilon of {word}": f"{privacy[f'epsilon_{name}']:.4g} at delta {privacy['delta']:g} "
        f"({privacy[f'releases_{name}']:,} releases)"
        for name, word in words.items()
        if f"epsilon_{name}" in privacy
    }


def diagnosis_text(diagnosis: Mapping[str, Any]) -> str:
    """What a diagnosis says, on one line."""
    name = diagnosis["name"].replace("_", " ")
    return f"{name} (round {diagnosis['round']}): {diagnosis['message']}. {diagnosis['advice']}."


def _edge_fields(edge: Mapping[str, Any] | None) -> dict[str, object]:
    """What simulated devices took, where there are any."""
    if edge is None:
        return {}
    reached = {
        f"  until {float(accuracy):.0%}": f"{at:,.1f} s" for accuracy, at in edge["simulated_time_to_accuracy_s"].items()
    }
    return {
        "simulated time": f"{edge['simulated_time_s']:,.1f} s",
        **reached,
        "energy of clients": f"{edge['energy_j']:,.3g} J",
        "clients excluded": f"{edge['clients_excluded']:,}",
    }
