"""How single clients fare: a heat map of their training losses against rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from heron_ray.figures.study import SCALE

MOST_CLIENTS, MOST_ROUNDS = 200, 400


class RoundLosses(TypedDict):
    """Of one round: its number, the clients that took part, and their training losses in the same order."""

    round: int
    clients: Sequence[int]
    losses: Sequence[float]


def losses_of_clients(told: Iterable[Mapping[str, Any]]) -> list[RoundLosses]:
    """The rounds of a run's `client_losses` events, in order; of a round that was told twice the last telling.

    Example:
        >>> losses_of_clients([{"round": 2, "clients": [0], "losses": [1.0]}, {"round": 1, "clients": [0], "losses": [2.0]}])[0]
        {'round': 1, 'clients': [0], 'losses': [2.0]}
    """
    latest = {one["round"]: one for one in told}
    return [RoundLosses(round=round, clients=one["clients"], losses=one["losses"]) for round, one in sorted(latest.items())]


def client_losses(rounds: Sequence[RoundLosses], *, byzantine: Sequence[int] = ()) -> dict[str, Any]:
    """Training losses of clients against rounds; client 0 at the top, light where the loss is small.

    A client that did not take part in a round leaves a gap. Above 400 rounds every k-th is drawn, the last one always; of the
    clients that were seen the first 200, which the figure says. The colours end at the 98th percentile, so that one client
    that goes astray does not make all others look alike.

    Args:
        rounds: In order.
        byzantine: Clients that attack: their rows are marked.

    Returns:
        A Plotly figure as plain JSON values.

    Example:
        >>> seen = [{"round": 1, "clients": [0, 2], "losses": [2.0, 1.0]}, {"round": 2, "clients": [2], "losses": [0.5]}]
        >>> client_losses(seen)["data"][0]["z"]
        [[2.0, None], [1.0, 0.5]]
    """
    step = max(1, -(-len(rounds) // MOST_ROUNDS))
    drawn = list(rounds[::-step])[::-1]
    seen = sorted({client for one in drawn for client in one["clients"]})
    rows = seen[:MOST_CLIENTS]
    columns: list[Mapping[int, float]] = [dict(zip(one["clients"], one["losses"], strict=True)) for one in drawn]
    values = [[column.get(client) for column in columns] for client in rows]
    known = sorted(value for row in values for value in row if value is not None)
    attackers = set(byzantine)
    names = [f"{client} (Byzantine)" if client in attackers else str(client) for client in rows]
    heat = {
        "type": "heatmap",
        "x": [one["round"] for one in drawn],
        "y": names,
        "z": values,
        "zmin": known[0] if known else 0,
        "zmax": known[int(0.98 * (len(known) - 1))] if known else 1,
        "colorscale": [list(stop) for stop in SCALE],
        "reversescale": True,
        "colorbar": {"title": {"text": "loss"}},
        "hoverongaps": False,
        "hovertemplate": "client %{y}, round %{x}: %{z:.4g}<extra></extra>",
    }
    left_out = f"<br><sup>the first {MOST_CLIENTS} of {len(seen):,} clients</sup>" if len(seen) > MOST_CLIENTS else ""
    layout = {
        "title": {"text": f"Training loss of each client{left_out}"},
        "xaxis": {"title": {"text": "round"}},
        "yaxis": {"title": {"text": "client"}, "type": "category", "autorange": "reversed"},
    }
    return {"data": [heat], "layout": layout}
