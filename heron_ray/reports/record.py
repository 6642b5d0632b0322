"""`Record`: what is known of one run, wherever it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heron_ray.figures import Curve, RoundLosses, Spectra, losses_of_clients, spectra_of_rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One execution.

    Attributes:
        after_round: Where it began; 0: at the start.
        node: The machine; None where it is not known.
        ended: What ended it, in a word; None where it lives or where that is not known.
    """

    after_round: int | None = None
    node: str | None = None
    ended: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run.

    Attributes:
        origin: The id of the service's experiment, or the path it was read from.
        name: The experiment's name.
        state: SUCCEEDED, FAILED, CANCELLED, or what else the service says; UNFINISHED for a local run without an end.
        message: What ended it, where it failed.
        series: Its curves by name.
        client_losses: Training losses of single clients, where the spec asks for them.
        byzantine: The numbers of the clients that attack.
        spectra: Those of the Hessian of the clients' loss after some rounds, where the spec asks for them.
        spec: The spec with every default filled in; None where it is not known.
        result: The keys of `heron run --json`; None where it has not ended, or failed.
        provenance: What, beside the spec, its bits depend on: versions by name; None where no checkpoint tells.
        attempts: Its executions, in order.
    """

    origin: str
    name: str
    state: str
    message: str | None = None
    series: Mapping[str, Curve] = field(default_factory=dict)
    client_losses: Sequence[RoundLosses] = ()
    byzantine: Sequence[int] = ()
    spectra: Spectra = field(default_factory=dict)
    spec: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    provenance: Mapping[str, str] | None = None
    attempts: Sequence[Attempt] = ()


def told_beside_series(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A record's `client_losses`, `byzantine` and `spectra`, from a run's events."""
    started = next((event for event in events if event["kind"] == "started"), {})
    return {
        "client_losses": losses_of_clients(event for event in events if event["kind"] == "client_losses"),
        "byzantine": started.get("byzantine", ()),
        "spectra": spectra_of_rounds(event for event in events if event["kind"] == "spectrum"),
    }
