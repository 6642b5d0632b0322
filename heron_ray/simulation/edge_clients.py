"""The clients' hardware: which devices and links there are, and who has the memory to take part."""

from __future__ import annotations

from typing import Any

from heron_ray.directory import DataDirectory
from heron_ray.edge import Population
from heron_ray.edge.csv_files import parse_devices
from heron_ray.edge.population import mixture
from heron_ray.errors import EdgeError
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.edge import CsvPopulation, EdgeSpec


def edge_of(spec: ExperimentSpec) -> EdgeSpec:
    """The spec's edge, which it has."""
    assert spec.edge is not None  # noqa: S101 - a fault of ours
    return spec.edge


def population(spec: ExperimentSpec) -> Population:
    """The clients' hardware. Raises DataError where its file is missing or malformed."""
    section = edge_of(spec).population
    if isinstance(section, CsvPopulation):
        kinds = parse_devices(edge_file("edge.population.path", section.path), section.path)
    else:
        kinds = mixture(section)
    return Population(kinds, spec.clients.count, spec.seed)


def edge_report(spec: ExperimentSpec, peak_bytes: int, clients: Population | None = None) -> dict[str, Any]:
    """Who can take part, as plain JSON values.

    Args:
        spec: Its edge says which devices there are.
        peak_bytes: The tracked peak of one client with full batches.
        clients: The population, where it has been drawn already.
    """
    clients = population(spec) if clients is None else clients
    excluded = clients.excluded(peak_bytes)
    return {
        "clients": len(clients),
        "client_peak_bytes": peak_bytes,
        "excluded": sum(excluded.values()),
        "excluded_by_device": dict(sorted(excluded.items())),
        "devices": dict(sorted(clients.devices().items())),
    }


def no_client_left(spec: ExperimentSpec, clients: Population, peak_bytes: int) -> EdgeError:
    """The error where every device has too little memory."""
    most = max(kind.device.memory_bytes for kind in clients.kinds)
    return EdgeError(
        f"no client can take part: {spec.method.kind} holds {peak_bytes:,} bytes at its peak, and the largest device of "
        f"edge.population has {most:,}",
        hint="lower clients.batch_size or the model's widths, or choose another method or larger devices; see heron profile",
    )


def edge_file(field: str, path: str) -> str:
    """The text of a file that a field of `edge` names. Raises DataError where it cannot be read."""
    return DataDirectory.from_environment(f"{field} is a file below the folder").text(path)
