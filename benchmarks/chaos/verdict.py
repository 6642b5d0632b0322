"""What came of the experiments of a storm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from benchmarks.chaos.runs import Undisturbed, faults_of
from benchmarks.chaos.service import Service


@dataclass(slots=True)
class Verdict:
    """Nothing was lost where `faults` is empty."""

    attempts: list[int] = field(default_factory=list)
    exit_reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def compare(self, service: Service, id: str, expected: Undisturbed) -> None:
        """One ended experiment with its undisturbed run."""
        page = service.ask(f"/v1/experiments/{id}")
        self.attempts.append(len(page["attempts"]))
        self.exit_reasons.update(attempt["exit_reason"] for attempt in page["attempts"])
        series = service.ask(f"/v1/experiments/{id}/series")["series"]
        self.faults += [f"experiment {id}: {fault}" for fault in faults_of(page, series, service.events(id), expected)]
