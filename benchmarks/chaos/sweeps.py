"""Sweeps as what a storm rages over: no trial is lost or run twice, and the best is that of an undisturbed sweep."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from api.domain.states import TERMINAL, State
from benchmarks.chaos.runs import BASE, Undisturbed, run_undisturbed
from benchmarks.chaos.service import Service
from benchmarks.chaos.verdict import Verdict
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import plan_sweep

MU: Final = "method.zeroth_order.mu"
SPACE: Final[Mapping[str, Any]] = MappingProxyType({MU: {"kind": "loguniform", "low": 1e-4, "high": 1e-1}})
SAMPLES: Final = 4
SEARCHES: Final = ("grid", "random", "optuna")


class Sweeps:
    """Sweeps over a small experiment, by each search in turn."""

    name = "sweeps"
    # What a trial has when nothing is said.
    most_attempts = 5

    def __init__(self) -> None:
        """Nothing is submitted yet."""
        self._searches = itertools.cycle(SEARCHES)
        self._spec = dict(BASE)
        self._plans: dict[str, SweepSpec] = {}

    def submit(self, service: Service) -> None:
        """One more."""
        number = len(self._plans)
        plan = {"samples": SAMPLES, "search": next(self._searches), "scheduler": "none", "seed": number}
        body = {"spec": self._spec, "space": dict(SPACE), **plan}
        self._plans[service.ask("/v1/sweeps", body=body, key=f"chaos-{number}")["id"]] = plan_sweep(dict(SPACE), plan)

    def rounds(self) -> int:
        """Of all trials of all that were submitted."""
        return len(self._plans) * SAMPLES * int(self._spec["rounds"])

    def finished(self, service: Service) -> int:
        """Rounds that are finished."""
        return sum(trial["round"] for page in self._pages(service) for trial in page["trials"])

    def have_ended(self, service: Service) -> bool:
        """Whether none is under way."""
        return all(page["state"] in TERMINAL for page in self._pages(service))

    def judge(self, service: Service) -> Verdict:
        """Compare every trial, and which is the best, with undisturbed runs of what was to be tried."""
        verdict = Verdict()
        for page in self._pages(service):
            undisturbed = [run_undisturbed([*trial["overrides"].items()]) for trial in page["trials"]]
            tagged = service.ask(f"/v1/experiments?limit=200&tag=sweep-{page['id']}")["experiments"]
            faults = sweep_faults(page, [one["id"] for one in tagged], undisturbed, _proposals(self._plans[page["id"]]))
            verdict.faults += [f"sweep {page['id']}: {fault}" for fault in faults]
            for trial, expected in zip(page["trials"], undisturbed, strict=True):
                if (id := trial["experiment_id"]) is not None:
                    verdict.compare(service, id, expected)
        return verdict

    def _pages(self, service: Service) -> list[Mapping[str, Any]]:
        return [service.ask(f"/v1/sweeps/{id}") for id in self._plans]


def sweep_faults(
    page: Mapping[str, Any],
    experiments: Sequence[str],
    undisturbed: Sequence[Undisturbed],
    proposals: Sequence[Mapping[str, Any]] | None,
) -> list[str]:
    """What a sweep's page tells that differs from an undisturbed sweep; empty where nothing does.

    Args:
        page: The page of an ended sweep.
        experiments: Those that carry its tag.
        undisturbed: What each of its trials must come to.
        proposals: What was to be tried, in order; None where that depends on which trial ends first.
    """
    if page["state"] != State.SUCCEEDED:
        return [f"it is {page['state']} ({page['reason']}: {page['message']})"]
    faults, trials = [], page["trials"]
    tried = [trial["overrides"] for trial in trials]
    if [trial["number"] for trial in trials] != list(range(1, SAMPLES + 1)):
        faults.append(f"its trials have the numbers {[trial['number'] for trial in trials]}")
    if proposals is not None and tried != list(proposals):
        faults.append(f"it tried {tried}, not {proposals}")
    if sorted(experiments) != sorted(str(trial["experiment_id"]) for trial in trials):
        faults.append(f"{len(experiments)} experiments belong to its {len(trials)} trials")
    scores = [expected.validation_accuracy for expected in undisturbed]
    best = scores.index(max(scores)) + 1
    if page["best"] is None or page["best"]["number"] != best:
        faults.append(f"its best trial is {page['best']}, not number {best}")
    return faults


def _proposals(plan: SweepSpec) -> list[dict[str, Any]] | None:
    from tune_spaces.bridge import propose

    return None if plan.search == "optuna" else propose(plan)
