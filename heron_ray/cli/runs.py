"""Runs that are named on the command line: of the service by id, of this machine by path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heron_ray.reports import Record


def records_of(runs: Sequence[str], url: str, key: str | None, *, with_provenance: bool = False) -> list[Record]:
    """Read or fetch every one, in order; the service is asked only where one is its.

    Raises:
        RecordError: A path leads to no run.
        NotFoundError: The service has no such experiment.
    """
    from heron_ray.reports import fetch_record, is_local, read_record

    local = {run: read_record(Path(run)) for run in runs if is_local(run)}
    if len(local) == len(set(runs)):
        return [local[run] for run in dict.fromkeys(runs)]
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        remote = {run: fetch_record(client, run, with_provenance=with_provenance) for run in runs if run not in local}
    return [(local | remote)[run] for run in dict.fromkeys(runs)]
