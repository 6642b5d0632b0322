"""Following an experiment of the service to its end, with progress on stderr; the end as output and exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from heron_ray.cli.client import ServiceClient
from heron_ray.cli.failure import FAILED
from heron_ray.cli.output import local_time, print_fields, result_fields
from heron_ray.cli.progress import progress


def follow_to_end(client: ServiceClient, id: str) -> dict[str, Any]:
    """Show progress until the experiment has ended; returns everything about it."""
    name = client.get(id)["name"]
    with progress() as board:
        track = board.track(name)
        for event in client.follow(id):
            track.show(event.kind, event.data)
    return client.get(id)


def print_experiment(experiment: Mapping[str, Any]) -> None:
    """Everything about an experiment, in words."""
    done = experiment["progress"]
    fields: dict[str, object] = {
        "id": experiment["id"],
        "name": experiment["name"],
        "tags": ", ".join(experiment["tags"]) or None,
        "state": experiment["state"],
        "reason": experiment["reason"],
        "message": experiment["message"],
        "waiting": experiment["waiting"],
        "rounds": f"{done['round']} of {done['rounds']}",
        "attempts": len(experiment["attempts"]),
        "submitted": local_time(experiment["created_at"]),
        "updated": local_time(experiment["updated_at"]),
        "spec hash": experiment["spec_hash"],
    }
    if experiment["result"] is not None:
        fields = {**result_fields(experiment["result"]), **fields}
    print_fields(fields)


def exit_by_state(state: str) -> None:
    """Exit 1 unless the experiment succeeded."""
    if state != "SUCCEEDED":
        raise click.exceptions.Exit(FAILED)
