"""Who holds what: a heat map of clients against labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heron_ray.figures.curve import COLOURS


def partition_map(report: Mapping[str, Any], *, title: str = "Samples of each client by label") -> dict[str, Any]:
    """How many samples of each label every client holds; client 0 at the top.

    Args:
        report: What `heron_ray.data.partition_report` says, as the `started` event has it.
        title: Heading of the figure.

    Returns:
        A Plotly figure as plain JSON values; of the first clients only where the report holds no others.

    Example:
        >>> report = {"clients": 2, "per_client": [[3, 0], [1, 2]], "mean_total_variation": 0.4, "note": None}
        >>> partition_map(report)["data"][0]["z"]
        [[3, 0], [1, 2]]
    """
    counts = report["per_client"]
    words = f"{title}<br><sup>mean total variation from all samples: {report['mean_total_variation']:.3f}"
    heat = {
        "type": "heatmap",
        "z": counts,
        "colorscale": [[0, "rgba(0,114,178,0)"], [1, COLOURS[0]]],
        "zmin": 0,
        "colorbar": {"title": {"text": "samples"}},
        "hovertemplate": "client %{y}, label %{x}: %{z} samples<extra></extra>",
    }
    layout = {
        "title": {"text": words + (f"; {report['note']}" if report["note"] else "") + "</sup>"},
        "xaxis": {"title": {"text": "label"}, "dtick": 1 if len(counts[0]) <= 30 else None},
        "yaxis": {"title": {"text": "client"}, "autorange": "reversed"},
        "template": "plotly_white",
    }
    return {"data": [heat], "layout": layout}
