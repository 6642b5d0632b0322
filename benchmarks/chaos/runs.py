"""Small experiments of several kinds, and what each comes to when nothing disturbs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from api.domain.states import TRANSITIONS, State
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.events import ListSink, RoundFinished
from heron_ray.spec import apply_overrides, parse_spec

Series: TypeAlias = dict[str, dict[str, list[Any]]]

BASE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": "chaos",
        "seed": 7,
        "rounds": 120,
        "data": {"kind": "digits"},
        "partition": {"kind": "dirichlet", "alpha": 0.5},
        "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}},
        "clients": {"count": 6, "batch_size": 16, "local_steps": 4},
        "method": {
            "kind": "heron",
            "zeroth_order": {"mu": 1e-3, "probes": 4, "direction": "sphere", "difference": "forward"},
            "client_optimizer": {"kind": "sgd", "lr": 0.03},
            "server_optimizer": {"kind": "sgd", "lr": 0.3},
        },
        "aggregation": {"kind": "mean"},
        "evaluation": {"every": 10},
        "compute": {"executor": "local", "actors": 2, "checkpoint_every": 8},
    }
)
ON_RAY: Final = (("compute.executor", "ray"), ("rounds", 80))
KINDS: Final[Mapping[str, Sequence[tuple[str, Any]]]] = MappingProxyType(
    {
        "heron on ray": (("method.kind", "heron"), *ON_RAY),
        "heron local": (("method.kind", "heron"), ("seed", 8)),
        "cse_fsl on ray": (("method.kind", "cse_fsl"), *ON_RAY),
        "sflv2 on ray": (("method.kind", "sflv2"), *ON_RAY),
        "cse_fsl local": (("method.kind", "cse_fsl"), ("seed", 9)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """One kind of experiment and what it comes to on a LocalExecutor."""

    spec: dict[str, Any]
    rounds: int
    digest: str
    validation_accuracy: float
    series: Series


def run_undisturbed(overrides: Sequence[tuple[str, Any]]) -> Undisturbed:
    """Run the base with these overrides, paths and values, in this process."""
    mapping, _ = apply_overrides(dict(BASE), overrides)
    spec, sink = parse_spec(mapping), ListSink()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink).run()
    series: Series = {}
    for event in sink.events:
        if isinstance(event, RoundFinished):
            for name, value in event.metrics.items():
                curve = series.setdefault(name, {"rounds": [], "values": []})
                curve["rounds"].append(event.round)
                curve["values"].append(value)
    return Undisturbed(
        spec=spec.canonical(),
        rounds=spec.rounds,
        digest=result.trajectory_digest,
        validation_accuracy=result.validation_accuracy,
        series=series,
    )


def faults_of(page: Mapping[str, Any], series: Series, events: Sequence[Mapping[str, Any]], expected: Undisturbed) -> list[str]:
    """What the service tells of an ended experiment that differs from the undisturbed run; empty where nothing does.

    Args:
        page: The experiment's page.
        series: Its series.
        events: All of its events.
        expected: The undisturbed run.
    """
    if page["state"] != State.SUCCEEDED:
        return [f"it is {page['state']} ({page['reason']}: {page['message']})"]
    faults = []
    if page["result"]["trajectory_digest"] != expected.digest:
        faults.append(f"its digest is {page['result']['trajectory_digest']}, not {expected.digest}")
    if series != expected.series:
        names = sorted(name for name in {*series, *expected.series} if series.get(name) != expected.series.get(name))
        faults.append(f"these series differ: {', '.join(names)}")
    return faults + _event_faults(events, expected.rounds) + _attempt_faults(page["attempts"])


def _event_faults(events: Sequence[Mapping[str, Any]], rounds: int) -> list[str]:
    faults = []
    if [event["id"] for event in events] != list(range(1, len(events) + 1)):
        faults.append("its events' numbers have gaps")
    told = [event["data"]["round"] for event in events if event["kind"] == "round_finished"]
    if told != list(range(1, rounds + 1)):
        faults.append(f"a round is missing, doubled or out of order in its events: {told}")
    starts = [event["data"]["after_round"] for event in events if event["kind"] == "started"]
    if starts[:1] != [0] or len(set(starts)) != len(starts):
        faults.append(f"it started after the rounds {starts}")
    finished = sum(event["kind"] == "finished" for event in events)
    if finished != 1:
        faults.append(f"it finished {finished} times")
    states = [State(event["data"]["state"]) for event in events if event["kind"] == "state"]
    if any(new not in TRANSITIONS[old] for old, new in pairwise(states)) or states[-1:] != [State.SUCCEEDED]:
        faults.append(f"its states were {', '.join(states)}")
    return faults


def _attempt_faults(attempts: Sequence[Mapping[str, Any]]) -> list[str]:
    numbers = [attempt["number"] for attempt in attempts]
    succeeded = [attempt["number"] for attempt in attempts if attempt["exit_reason"] == "succeeded"]
    if succeeded != numbers[-1:] or any(attempt["ended_at"] is None for attempt in attempts):
        return [f"of the attempts {numbers} these succeeded: {succeeded}; or one has not ended"]
    return []
