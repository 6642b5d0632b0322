"""`Tracker`: what every one of them does, and how one is told of a run that is over."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from heron_ray.errors import MissingToolError
from heron_ray.reports import Record

DIGESTS = ("trajectory_digest", "trajectory_hash", "spec_hash")
"""What a tracker keeps of a run's result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a tracker calls a run.

    Attributes:
        name: The experiment's name.
        key: Tells it from every other run: equal for the same run resumed, or told once more.
        spec: The spec with every default filled in; empty where it is not known.
    """

    name: str
    key: str
    spec: Mapping[str, Any]


class Tracker(Protocol):
    """Is told of one run, in the order of its rounds.

    A round it knows already is not taken again, so a run that was resumed, or told twice, has no point twice.
    """

    def begin(self, *, anew: bool) -> None:
        """Make ready for points. `anew`: the run starts at its first round, and what was told of an earlier try is not kept.

        Raises:
            SinkError: It cannot be told anything.
        """

    def add(self, round: int, metrics: Mapping[str, float | None]) -> None:
        """Take the values after a round; None, for one that was not finite, is left out. Raises SinkError."""

    def end(self, state: str, result: Mapping[str, Any]) -> None:
        """Take how the run ended, and give back what it holds. Raises SinkError."""


def tell(tracker: Tracker, record: Record) -> None:
    """Tell a tracker of a run that is over, or of as much of it as there is.

    Raises:
        SinkError: It did not take it.
    """
    rounds: dict[int, dict[str, float | None]] = {}
    for name, curve in record.series.items():
        for round, value in zip(curve["rounds"], curve["values"], strict=True):
            rounds.setdefault(round, {})[name] = value
    tracker.begin(anew=False)
    for round in sorted(rounds):
        tracker.add(round, rounds[round])
    tracker.end(record.state, record.result or {})


def finite(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """The values of a round that a tracker can take.

    >>> finite({"loss": 0.5, "auxiliary_loss": float("nan"), "accuracy": None})
    {'loss': 0.5}
    """
    return {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}


def digests_in(result: Mapping[str, Any]) -> dict[str, str]:
    """The hashes and the digest of a result, as far as it has them, under the names that trackers know them by.

    >>> digests_in({"spec_hash": "5f", "rounds": 3})
    {'heron_ray.spec_hash': '5f'}
    """
    return {f"heron_ray.{name}": str(result[name]) for name in DIGESTS if name in result}


def flat(value: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """A spec by dotted paths, as tables of parameters have it; lists and nothing are texts.

    >>> flat({"method": {"kind": "heron", "mu": 0.001}, "front": [32, 16], "attack": None})
    {'method.kind': 'heron', 'method.mu': 0.001, 'front': '[32, 16]', 'attack': 'None'}
    """
    return dict(_leaves(value, ""))


def _leaves(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str | int | float | bool]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner if isinstance(inner, str | int | float | bool) else str(inner)


def require(module: str, extra: str) -> ModuleType:
    """A module of an extra. Raises MissingToolError, which names the extra, where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingToolError(
            f"this needs the package {package}, which cannot be imported: {error}",
            hint=f"install it: pip install 'heron-ray[{extra}]'",
        ) from None
