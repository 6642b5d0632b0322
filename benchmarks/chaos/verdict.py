"""What came of the experiments of a storm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Verdict:
    """Nothing was lost where `faults` is empty."""

    attempts: list[int] = field(default_factory=list)
    exit_reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, page: Mapping[str, Any], faults: Sequence[str]) -> None:
        """One experiment: its page, and what is wrong with it."""
        self.attempts.append(len(page["attempts"]))
        self.exit_reasons.update(attempt["exit_reason"] for attempt in page["attempts"])
        self.faults += [f"experiment {page['id']}: {fault}" for fault in faults]
