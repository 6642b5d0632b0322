"""Clients whose data never take part."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from heron_ray.simulation.diagnoses.signature import End, Finding, Run, Seen, Signature
from heron_ray.simulation.edge_clients import population
from heron_ray.simulation.edge_rounds import availability
from heron_ray.simulation.profile import client_costs

TURNS: Final = 10.0
"""After so many expected turns per client (updates over clients, summed over rounds), a client sampled like all others has been
left out with a probability of e^-10, 1 in 20,000."""

SHARE: Final = 0.05
"""Of the clients: where a run ends before that, so many may have been left out by sampling alone."""

NAMED: Final = 20
"""Clients named, at most."""


class AbsentClients(Signature):
    """Clients that never finished a round, judged once: after ten expected turns per client, or at the run's end if that comes
    first; then only if they are more than 5 % of all.

    Reasons, the first that fits: `memory` (the device cannot hold the method's peak), `availability` (it was there in no
    round), `cut` (sampled, but every time it vanished, was late or came after enough others), `sampling` (never drawn).
    """  # noqa: D205 - the summary is the condition

    name: ClassVar[str] = "absent_clients"

    def __init__(self, run: Run) -> None:
        """Nobody has taken part."""
        super().__init__(run)
        count = run.spec.clients.count
        self._sampled, self._finished = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        self._turns = 0.0
        self._is_judged = False

    def observe(self, seen: Seen) -> Finding | None:
        """Count turns; judge after the tenth."""
        if self._is_judged:
            return None
        self._sampled[list(seen.cohort)] = True
        self._finished[list(seen.finished)] = True
        self._turns += len(seen.finished) / len(self._finished)
        if self._turns < TURNS and not self._finished.all():
            return None
        self._is_judged = True
        return self._judge(seen.round)

    def conclude(self, end: End) -> Finding | None:
        """Judge what ends early."""
        if self._is_judged or (~self._finished).mean() <= SHARE:
            return None
        return self._judge(end.round)

    def _judge(self, round: int) -> Finding | None:
        missing = ~self._finished
        if not missing.any():
            return None
        reasons = {name: int(mask.sum()) for name, mask in self._reasons(missing, round).items() if mask.any()}
        told = ", ".join(f"{count:,} by {name}" for name, count in reasons.items())
        return Finding(
            message=f"{int(missing.sum()):,} of {len(missing):,} clients never took part in {round} rounds: {told}",
            advice=" ".join(_ADVICE[name] for name in reasons),
            figures={"rounds": round, **reasons, "clients": np.flatnonzero(missing)[:NAMED].tolist()},
        )

    def _reasons(self, missing: NDArray[np.bool_], round: int) -> dict[str, NDArray[np.bool_]]:
        spec, left = self.run.spec, missing.copy()
        reasons: dict[str, NDArray[np.bool_]] = {}

        def because(name: str, mask: NDArray[np.bool_]) -> None:
            nonlocal left
            reasons[name] = left & mask
            left = left & ~mask

        if spec.edge is not None:
            able = population(spec).able(client_costs(spec).client_peak_bytes)
            if able is not None:
                because("memory", ~able)
            pattern = availability(spec)
            if pattern is not None and left.any():
                there = np.zeros_like(left)
                for number in range(1, round + 1):
                    there |= pattern.in_round(number)
                    if there[left].all():
                        break
                because("availability", ~there)
        because("cut", self._sampled)
        because("sampling", np.ones_like(left))
        return reasons

    def state(self) -> dict[str, Any]:
        """Two bits per client, until they are judged."""
        if self._is_judged:
            return {"judged": True}
        return {"judged": False, "turns": self._turns, "sampled": _packed(self._sampled), "finished": _packed(self._finished)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._is_judged = state["judged"]
        if not self._is_judged:
            self._turns = state["turns"]
            self._sampled, self._finished = (_unpacked(state[name], len(self._finished)) for name in ("sampled", "finished"))


_ADVICE: Final[Mapping[str, str]] = {
    "memory": "Their devices are too small: lower clients.batch_size or the model's widths, or choose a leaner method (heron "
    "profile).",
    "availability": "They are there in no round: look at edge.availability.",
    "cut": "They are always cut short: raise edge.deadline_s, lower edge.oversample or edge.dropout, or have them do less.",
    "sampling": "They were never drawn: use more rounds or a larger clients.per_round, and read results as those of the "
    "others.",
}


def _packed(mask: NDArray[np.bool_]) -> str:
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 1)).decode()


def _unpacked(text: str, count: int) -> NDArray[np.bool_]:
    bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    return np.unpackbits(bits, count=count).astype(np.bool_)
