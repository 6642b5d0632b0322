"""Experiments as what a storm rages over."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.domain.states import TERMINAL
from benchmarks.chaos.runs import Undisturbed
from benchmarks.chaos.service import Service
from benchmarks.chaos.verdict import Verdict

PAGE: Final = 200


class Experiments:
    """Experiments of several kinds, submitted in turn.

    Args:
        kinds: With what each must come to.
    """

    name = "experiments"
    # The most that may be asked for.
    most_attempts = 20

    def __init__(self, kinds: Sequence[Undisturbed]) -> None:
        """Nothing is submitted yet."""
        self._kinds = itertools.cycle(kinds)
        self._submitted: dict[str, Undisturbed] = {}

    def submit(self, service: Service) -> None:
        """One more."""
        expected = next(self._kinds)
        body = {"spec": expected.spec, "retry": {"max_attempts": self.most_attempts}}
        answer = service.ask("/v1/experiments", body=body, key=f"chaos-{len(self._submitted)}")
        self._submitted[answer["id"]] = expected

    def rounds(self) -> int:
        """Of all that were submitted."""
        return sum(expected.rounds for expected in self._submitted.values())

    def finished(self, service: Service) -> int:
        """Rounds that are finished."""
        return sum(one["progress"]["round"] for one in self._found(service))

    def have_ended(self, service: Service) -> bool:
        """Whether none is under way."""
        return all(one["state"] in TERMINAL for one in self._found(service))

    def judge(self, service: Service) -> Verdict:
        """Compare what they came to with the undisturbed runs."""
        verdict = Verdict()
        for id, expected in self._submitted.items():
            verdict.compare(service, id, expected)
        return verdict

    def _found(self, service: Service) -> list[Mapping[str, Any]]:
        experiments: list[Mapping[str, Any]] = service.ask(f"/v1/experiments?limit={PAGE}")["experiments"]
        return experiments
