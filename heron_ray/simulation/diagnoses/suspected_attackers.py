"""Clients whose updates or uploads stand apart from all others, again and again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

from heron_ray.simulation.diagnoses.signature import Finding, Run, Seen, Signature

COHORT: Final = 5
"""Updates that a round needs for one to stand apart."""

RATIO: Final = 10.0
"""To the median norm, or its inverse: what differing data do to norms stays well within."""

AGAINST: Final = 0.25
"""Cosine to the sum of the others: so far below zero, where the median client is so far above it."""

TURNS: Final = 5
"""Rounds in which a client must have been seen."""

OFTEN: Final = 0.8
"""Share of those rounds in which it stood apart."""

SURE: Final = 5.0
"""Standard deviations above what leaving out as many clients at random would come to."""

TRACKED: Final = 10_000
"""Clients that are remembered, at most: a bound on the checkpoint."""


@dataclass(slots=True)
class _Record:
    """Of one client since it first stood apart: rounds, those in which it did by kind, and how often chance leaves it out."""

    rounds: int = 0
    norm: int = 0
    direction: int = 0
    filtered: int = 0
    left_out: int = 0
    expected: float = 0.0
    variance: float = 0.0

    def reasons(self, turns: int) -> list[str]:
        """Why the client is suspected."""
        if self.rounds < turns:
            return []
        often = [name for name in ("norm", "direction", "filtered") if getattr(self, name) >= OFTEN * self.rounds]
        excess = self.left_out - self.expected
        if self.left_out >= OFTEN * self.rounds and excess >= SURE * math.sqrt(self.variance) and self.variance > 0:
            often.append("left_out")
        return often


class SuspectedAttackers(Signature):
    """A client that in 80 % of at least 5 rounds

    - has an update whose norm is over 10 times the cohort's median or under a tenth of it, or not finite (`norm`); or
    - points against the others: cosine below -.25 to their sum, while the median client's is above .25 (`direction`); or
    - had most of its uploads refused by the main server's filter (`filtered`); or
    - was left out by the aggregation rule, five standard deviations more often than chance (`left_out`).

    Rounds of fewer than 5 updates count for none. Clients are compared by what they sent, never by the plan, which knows.
    """  # noqa: D415 - the summary line introduces the list

    name: ClassVar[str] = "suspected_attackers"

    def __init__(self, run: Run) -> None:
        """Nobody stands apart."""
        super().__init__(run)
        self._records: dict[int, _Record] = {}

    def observe(self, seen: Seen) -> Finding | None:
        """Count."""
        apart = self._apart(seen)
        clients = seen.scrutiny.clients if len(seen.scrutiny.clients) >= COHORT else tuple(seen.filtered)
        share = len(seen.scrutiny.left_out) / len(clients) if clients else 0.0
        for client in clients:
            kinds = apart.get(client, ())
            if kinds and client not in self._records and len(self._records) < TRACKED:
                self._records[client] = _Record()
            if (record := self._records.get(client)) is not None:
                record.rounds += 1
                record.expected += share
                record.variance += share * (1 - share)
                for kind in kinds:
                    setattr(record, kind, getattr(record, kind) + 1)
        if not any(self._records[client].reasons(TURNS) for client in clients if client in self._records):
            return None
        return self._finding()

    def _apart(self, seen: Seen) -> dict[int, list[str]]:
        apart: dict[int, list[str]] = {}
        look = seen.scrutiny
        if len(look.clients) >= COHORT:
            usual, agreement = statistics.median(look.norms), statistics.median(look.cosines)
            for client, norm, cosine in zip(look.clients, look.norms, look.cosines, strict=True):
                kinds = apart.setdefault(client, [])
                comparable = math.isfinite(usual) and usual > 0
                if not math.isfinite(norm) or (comparable and not usual / RATIO <= norm <= usual * RATIO):
                    kinds.append("norm")
                if cosine < -AGAINST and agreement > AGAINST:
                    kinds.append("direction")
            for client in look.left_out:
                apart[client].append("left_out")
        for client, (refused, came) in seen.filtered.items():
            if 2 * refused > came:
                apart.setdefault(client, []).append("filtered")
        return apart

    def _finding(self) -> Finding:
        """All that are suspected now, and those for whom only rounds are wanting."""
        suspects = {client: why for client, one in sorted(self._records.items()) if (why := one.reasons(TURNS - 2))}
        told = ", ".join(f"{client} ({' and '.join(why).replace('_', ' ')})" for client, why in list(suspects.items())[:10])
        more = f" and {len(suspects) - 10} more" if len(suspects) > 10 else ""
        return Finding(
            message=f"{len(suspects)} clients stand apart from the others again and again: {told}{more}",
            advice=(
                "They may be Byzantine, or hold data unlike all others' (heron partition FILE shows who holds what): a rule "
                "that leaves out rare clients loses their data. Against attackers choose a robust aggregation or "
                "smashed_defence (docs/byzantine.md); norm alone: aggregation.kind=norm_bounding"
            ),
            figures={"clients": {str(client): why for client, why in suspects.items()}},
        )

    def state(self) -> dict[str, Any]:
        """The records."""
        return {"records": {str(client): asdict(one) for client, one in self._records.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._records = {int(client): _Record(**one) for client, one in state["records"].items()}
