"""The density of a Hessian's eigenvalues, on a logarithmic scale: a bulk around zero and whatever stands apart from it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from heron_ray.figures.curve import COLOURS

POINTS = 600
MOST_LOOKS = 5
_FLOOR = 1e-8
_REACH = 10
"""Sigmas beyond which a node counts for nothing: exp(-50) is far below the floor."""

Spectra: TypeAlias = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Name to nodes theta_j, ascending, and weights w_j [n], as `heron spectrum --json` gives them."""


def spectra_of_rounds(told: Iterable[Mapping[str, Any]]) -> Spectra:
    """The looks among a run's `spectrum` events that are drawn: the first, the last and up to three in between, evenly.

    Of a round that was told twice the last telling counts.

    Example:
        >>> list(spectra_of_rounds({"round": round, "nodes": [0.0], "weights": [1.0]} for round in range(10, 100, 10)))
        ['round 10', 'round 30', 'round 50', 'round 70', 'round 90']
    """
    latest = {one["round"]: one for one in told}
    rounds = sorted(latest)
    drawn = sorted({(len(rounds) - 1) * part // (MOST_LOOKS - 1) for part in range(MOST_LOOKS)}) if rounds else []
    return {f"round {rounds[place]}": (latest[rounds[place]]["nodes"], latest[rounds[place]]["weights"]) for place in drawn}


def spectral_density(spectra: Spectra, *, width: float = 0.01, title: str = "Hessian spectrum") -> dict[str, Any]:
    """One line per spectrum: sum_j w_j N(x; theta_j, sigma^2), with sigma a share of the range of all nodes.

    Args:
        spectra: Name to nodes theta_j, ascending, and weights w_j.
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
        "showlegend": True,
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
    near = slice(bisect_left(nodes, x - _REACH * sigma), bisect_right(nodes, x + _REACH * sigma))
    pairs = zip(nodes[near], weights[near], strict=True)
    total = sum(weight * math.exp(-(((x - node) / sigma) ** 2) / 2) for node, weight in pairs)
    density = total / (sigma * math.sqrt(2 * math.pi))
    return density if density >= _FLOOR else None
