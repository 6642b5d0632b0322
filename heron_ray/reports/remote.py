"""Reading an experiment of a service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from heron_ray.client import Client
from heron_ray.errors import NotFoundError
from heron_ray.reports.record import Attempt, Record, told_beside_series

MANIFEST = "checkpoint/manifest.json"


def fetch_record(client: Client, id: str, *, with_provenance: bool = False) -> Record:
    """Ask for all that a record holds.

    Args:
        client: The service.
        id: The experiment; it need not have ended.
        with_provenance: Also fetch, where the experiment left a checkpoint, on which software it ran.

    Raises:
        NotFoundError: There is no such experiment.
    """
    found = client.get(id)
    evaluation = found.spec["evaluation"]
    told = _events(client, id) if evaluation.get("client_losses") or evaluation.get("spectrum") else []
    return Record(
        origin=id,
        name=found.name,
        state=found.state,
        message=found.message,
        **told_beside_series(told),
        series={name: curve.plain() for name, curve in client.series(id).items()},
        spec=found.spec,
        result=found.result,
        provenance=_provenance(client, id) if with_provenance else None,
        attempts=[Attempt(node=attempt.node, ended=attempt.exit_reason) for attempt in found.attempts],
    )


def _events(client: Client, id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    after = 0
    while page := client.events(id, after=after).events:
        events += [{"kind": event.kind, **event.data} for event in page]
        after = page[-1].id
    return events


def _provenance(client: Client, id: str) -> Mapping[str, str] | None:
    if MANIFEST not in {artifact.name for artifact in client.artifacts(id)}:
        return None
    try:
        with client.artifact(id, MANIFEST) as response:
            response.read()
            manifest = json.loads(response.content)
    except NotFoundError:
        return None
    found = manifest.get("manifest", {}).get("provenance")
    return found if isinstance(found, dict) else None
