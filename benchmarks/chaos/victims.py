"""The living processes of a service, by what they are: those that may be killed, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import psutil

from api.supervisor.processes import find_marked

# Parts of the supervisor's own; how the processes of its Ray call themselves.
PARTS: Final = ("api", "dispatcher")
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "driver": "ray::ExperimentDriver",
        "sweep driver": "ray::SweepDriver",
        "client actor": "ray::ClientActor",
        "main server actor": "ray::MainServerActor",
        "federation actor": "ray::FederationActor",
    }
)
PROGRAMS: Final[Mapping[str, str]] = MappingProxyType({"raylet": "raylet", "gcs": "gcs_server"})
HARMLESS: Final = frozenset({"api", "dispatcher", "sweep driver"})
"""Their deaths cost no attempt."""


def find_victims(mark: str) -> dict[str, list[psutil.Process]]:
    """The processes of the service `mark` that live, by kind; kinds of which none lives are left out."""
    found: dict[str, list[psutil.Process]] = {part: find_marked(mark, part) for part in PARTS}
    for process in find_marked(mark, "ray"):
        if (kind := _kind_of(process)) is not None:
            found.setdefault(kind, []).append(process)
    return {kind: processes for kind, processes in found.items() if processes}


def _kind_of(process: psutil.Process) -> str | None:
    try:
        title = (process.cmdline() or [""])[0]
    except psutil.Error:
        return None
    for kind, start in TITLES.items():
        if title.startswith(start):
            return kind
    program = title.rpartition("/")[2]
    return next((kind for kind, name in PROGRAMS.items() if program == name), None)
