"""Which queued experiment may begin, and why the others wait.

An experiment is let in where what it needs is free: the cluster's CPUs, GPUs and memory less what the running ones were let
in with. The oldest goes first. A younger one that fits may overtake one that does not, but only until the older has been
refused for `patience_s`; from then on nothing overtakes it, so room is made for it as the running ones end. One that the
cluster could not hold even when it is empty holds nobody up: it waits for machines to join.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What an experiment needs, or a cluster has."""

    cpus: float = 0.0
    gpus: float = 0.0
    memory_bytes: int = 0

    def __add__(self, other: Resources) -> Resources:
        """Of two experiments together."""
        return Resources(
            cpus=self.cpus + other.cpus,
            gpus=self.gpus + other.gpus,
            memory_bytes=self.memory_bytes + other.memory_bytes,
        )

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Resources:
        """From the column `experiment.resources`; what is missing is 0."""
        return cls(**{name: mapping[name] for name in ("cpus", "gpus", "memory_bytes") if mapping.get(name) is not None})


def declared(resources: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was declared of the column `experiment.resources`: without what was estimated when it was let in.

    >>> declared({"cpus": 2, "memory_bytes": 5, "estimated": ["memory_bytes"]})
    {'cpus': 2}
    """
    estimated = (resources or {}).get("estimated", ())
    return {name: value for name, value in (resources or {}).items() if name != "estimated" and name not in estimated}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A queued experiment.

    Attributes:
        needs: None while nobody knows.
        estimated: Whether its memory is an estimate.
        refused_s: For how long it has been refused room that the cluster could have.
    """

    id: str
    needs: Resources | None
    estimated: bool = False
    refused_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a queue.

    Attributes:
        admitted: The id of the one that begins now.
        unknown: The id of the one whose needs must be known before anything can be decided.
        waiting: Why the others that were looked at wait, by id.
        refused: The ids of those that wait for room which the cluster could have.
    """

    admitted: str | None
    unknown: str | None
    waiting: Mapping[str, str]
    refused: frozenset[str]


def decide(queue: Sequence[Candidate], *, total: Resources, used: Resources, patience_s: float) -> Decision:
    """Choose from the oldest queued experiments, oldest first, while there is a slot for one.

    >>> small, large = Resources(memory_bytes=GIB), Resources(memory_bytes=8 * GIB)
    >>> queue = [Candidate(id="a", needs=large), Candidate(id="b", needs=small)]
    >>> decision = decide(queue, total=large, used=small, patience_s=60)
    >>> decision.admitted, decision.waiting["a"]
    ('b', 'waits for 8.0 GiB of memory: 7.0 of 8.0 GiB are free')
    """
    waiting: dict[str, str] = {}
    refused: set[str] = set()
    impatient: str | None = None
    for candidate in queue:
        if candidate.needs is None:
            waiting[candidate.id] = "what it needs is being estimated"
            return Decision(admitted=None, unknown=candidate.id, waiting=waiting, refused=frozenset(refused))
        if never := _excess(candidate, total):
            waiting[candidate.id] = never
        elif lack := _lack(candidate.needs, total, used):
            waiting[candidate.id] = lack
            refused.add(candidate.id)
            if impatient is None and candidate.refused_s >= patience_s:
                impatient = candidate.id
        elif impatient is not None:
            waiting[candidate.id] = f"waits for its turn: experiment {impatient} has been overtaken for long enough"
        else:
            return Decision(admitted=candidate.id, unknown=None, waiting=waiting, refused=frozenset(refused))
    return Decision(admitted=None, unknown=None, waiting=waiting, refused=frozenset(refused))


def _excess(candidate: Candidate, total: Resources) -> str | None:
    """What it needs beyond the whole cluster."""
    needs = candidate.needs or Resources()
    if needs.memory_bytes > total.memory_bytes:
        told = f"needs {_gib(needs.memory_bytes)} GiB of memory, but the whole cluster has {_gib(total.memory_bytes)} GiB"
        way_out = "; where the estimate is wrong, submit it with resources.memory_bytes" if candidate.estimated else ""
        return told + way_out
    if needs.gpus > total.gpus:
        return f"needs {needs.gpus:g} GPUs, but the whole cluster has {total.gpus:g}"
    if needs.cpus > total.cpus:
        return f"needs {needs.cpus:g} CPUs, but the whole cluster has {total.cpus:g}"
    return None


def _lack(needs: Resources, total: Resources, used: Resources) -> str | None:
    """What it needs beyond what is free now."""
    if needs.memory_bytes > (free := total.memory_bytes - used.memory_bytes):
        return (
            f"waits for {_gib(needs.memory_bytes)} GiB of memory: "
            f"{_gib(max(0, free))} of {_gib(total.memory_bytes)} GiB are free"
        )
    for name, needed, has, taken in (("GPUs", needs.gpus, total.gpus, used.gpus), ("CPUs", needs.cpus, total.cpus, used.cpus)):
        # Shares such as 0.1 do not add up exactly.
        if needed > has - taken + 1e-6:
            return f"waits for {needed:g} {name}: {max(0.0, has - taken):g} of {has:g} are free"
    return None


def _gib(count: int) -> str:
    return f"{count / GIB:.1f}"
