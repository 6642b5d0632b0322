"""Why an experiment stands where it does, in one sentence for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.domain.records import ExperimentRecord
from api.domain.states import State

MOST_AHEAD = 1000
"""Experiments ahead in the queue are counted up to here."""


def explain(experiment: ExperimentRecord, *, ahead: int, diagnoses: Sequence[Mapping[str, Any]] = ()) -> str:
    """One sentence.

    Args:
        experiment: Whose state is explained.
        ahead: How many queued experiments are older, counted up to `MOST_AHEAD`.
        diagnoses: What its rounds have shown to go wrong: name, round and message of each.
    """
    found = [f"{one['name'].replace('_', ' ')} (round {one['round']}): {one['message']}" for one in diagnoses]
    return "; ".join([_standing(experiment, ahead), *found])


def _standing(experiment: ExperimentRecord, ahead: int) -> str:
    told = experiment.message or experiment.reason
    match experiment.state:
        case State.QUEUED:
            waits = experiment.waiting or "waits for its turn"
            again = f"; it is queued again because of {experiment.reason}" if experiment.reason else ""
            return f"{waits}; ahead of it: {_count(ahead)}{again}"
        case State.STARTING:
            return f"attempt {experiment.attempts} is starting its processes"
        case State.RUNNING:
            return f"attempt {experiment.attempts} runs: {experiment.round} of {experiment.rounds} rounds are done"
    return f"{experiment.state}: {told}" if told else str(experiment.state)


def _count(ahead: int) -> str:
    more = "at least " if ahead >= MOST_AHEAD else ""
    return f"{more}{ahead} experiment{'' if ahead == 1 else 's'}"
