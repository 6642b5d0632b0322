"""All signatures of one run: who looks, and what has been found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from heron_ray.simulation.diagnoses.absent_clients import AbsentClients
from heron_ray.simulation.diagnoses.exploding_probes import ExplodingProbes
from heron_ray.simulation.diagnoses.graph_in_client import GraphInClient
from heron_ray.simulation.diagnoses.no_better_than_frozen import NoBetterThanFrozen
from heron_ray.simulation.diagnoses.signature import End, Finding, Run, Seen, Signature
from heron_ray.simulation.diagnoses.slow_convergence import SlowConvergence
from heron_ray.simulation.diagnoses.suspected_attackers import SuspectedAttackers
from heron_ray.simulation.diagnoses.uninformative_smashed_data import UninformativeSmashedData
from heron_ray.simulation.diagnoses.vanishing_probes import VanishingProbes
from heron_ray.simulation.events import Diagnosis

SIGNATURES: Final[tuple[type[Signature], ...]] = (
    GraphInClient,
    VanishingProbes,
    ExplodingProbes,
    SlowConvergence,
    UninformativeSmashedData,
    AbsentClients,
    SuspectedAttackers,
    NoBetterThanFrozen,
)


class Diagnoses:
    """Shows every round to every signature that has found nothing yet; each finds something once per run at most.

    Args:
        run: What is known before the first round.
        state: What `state` gave, to go on from there.
    """

    def __init__(self, run: Run, state: Mapping[str, Any] | None = None) -> None:
        """Begin, or go on; signatures that the state does not know begin anew."""
        self._run = run
        state = state or {}
        self._found: list[dict[str, Any]] = [dict(one) for one in state.get("found", [])]
        self._open: dict[str, Signature] = {}
        told = {one["name"] for one in self._found}
        for signature in SIGNATURES:
            if signature.name not in told:
                self._open[signature.name] = signature(run)
                if (kept := state.get("kept", {}).get(signature.name)) is not None:
                    self._open[signature.name].load(kept)

    @property
    def found(self) -> list[dict[str, Any]]:
        """What has been found so far, as plain JSON values: round, name, message, advice, figures."""
        return [dict(one) for one in self._found]

    def observe(self, seen: Seen) -> list[Diagnosis]:
        """Look at a round; returns what is new."""
        return self._tell(seen.round, [(name, one.observe(seen)) for name, one in self._open.items()])

    def conclude(self, end: End) -> list[Diagnosis]:
        """Look at the run's end; returns what is new."""
        return self._tell(end.round, [(name, one.conclude(end)) for name, one in self._open.items()])

    def state(self) -> dict[str, Any]:
        """What must be kept to continue: plain JSON values that later rounds do not change."""
        kept = {name: state for name, one in self._open.items() if (state := one.state())}
        return {"found": self.found, "kept": kept}

    def copy(self) -> Diagnoses:
        """The same, to be shown other rounds."""
        return Diagnoses(self._run, self.state())

    def _tell(self, round: int, answers: Iterable[tuple[str, Finding | None]]) -> list[Diagnosis]:
        new = [
            Diagnosis(round=round, name=name, message=found.message, advice=found.advice, figures=dict(found.figures))
            for name, found in answers
            if found is not None
        ]
        for one in new:
            del self._open[one.name]
            self._found.append(one.told())
        return new
