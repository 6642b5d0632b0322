"""How single clients fare: a heat map of their training losses against rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

SCALE = ((0.0, "#FDE725"), (0.25, "#5EC962"), (0.5, "#21918C"), (0.75, "#3B528B"), (1.0, "#440154"))
MOST_CLIENTS, MOST_ROUNDS = 200, 400


class RoundLosses(TypedDict):
    """Of one round: its number, the clients that took part, and their training losses in the same order."""

    round: int
    clients: Sequence[int]
    losses: Sequence[float]


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
    step = -(-len(rounds) // MOST_ROUNDS) if rounds else 1
    drawn = list(rounds[::-step])[::-1]
    seen = sorted({client for one in drawn for client in one["clients"]})
    rows = seen[:MOST_CLIENTS]
    columns: list[Mapping[int, float]] = [dict(zip(one["clients"], one["losses"], strict=True)) for one in drawn]
    values = [[column.get(client) for column in columns] for client in rows]
    known = sorted(value for row in values for value in row if value is not None)
    names = [f"{client} (Byzantine)" if client in set(byzantine) else str(client) for client in rows]
    heat = {
        "type": "heatmap",
        "x": [one["round"] for one in drawn],
        "y": names,
        "z": values,
        "zmin": known[0] if known else 0,
        "zmax": known[int(0.98 * (len(known) - 1))] if known else 1,
        "colorscale": [list(stop) for stop in SCALE],
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
