"""The density of a Hessian's eigenvalues, on a logarithmic scale: a bulk around zero and whatever stands apart from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from heron_ray.figures.curve import COLOURS

POINTS = 600
_FLOOR = 1e-8


def spectral_density(
    spectra: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, width: float = 0.01, title: str = "Hessian spectrum"
) -> dict[str, Any]:
    """One line per spectrum: sum_j w_j N(x; theta_j, sigma^2), with sigma a share of the range of all nodes.

    Args:
        spectra: Name to nodes theta_j and weights w_j, as `heron spectrum --json` gives them.
        width: Sigma as a share of the range.
        title: Heading of the figure.

    Returns:
        A Plotly figure as plain JSON values. Densities below 1e-8 are left out: a logarithmic scale has no zero.

    Example:
        >>> figure = spectral_density({"start": ([0.0, 1.0], [0.9, 0.1])})
        >>> [trace["name"] for trace in figure["data"]]
        ['start']
    """
    nodes = [node for found, _ in spectra.values() for node in found] or [0.0]
    low, high = min(nodes), max(nodes)
    sigma = width * (high - low) or 1.0
    start, step = low - 4 * sigma, (high - low + 8 * sigma) / (POINTS - 1)
    grid = [start + step * place for place in range(POINTS)]
    layout = {
        "title": {"text": title},
        "xaxis": {"title": {"text": "eigenvalue"}},
        "yaxis": {"title": {"text": "density"}, "type": "log", "exponentformat": "power"},
        "showlegend": len(spectra) > 1,
    }
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": grid,
            "y": [_density(x, *spectrum, sigma) for x in grid],
            "line": {"color": COLOURS[number % len(COLOURS)], "width": 2.0},
        }
        for number, (name, spectrum) in enumerate(spectra.items())
    ]
    return {"data": traces, "layout": layout}


def _density(x: float, nodes: Sequence[float], weights: Sequence[float], sigma: float) -> float | None:
    total = sum(weight * math.exp(-(((x - node) / sigma) ** 2) / 2) for node, weight in zip(nodes, weights, strict=True))
    density = total / (sigma * math.sqrt(2 * math.pi))
    return density if density >= _FLOOR else None
