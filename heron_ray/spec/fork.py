"""What a fork may change: everything that leaves the model, its data and the shapes of what is kept between rounds alone.

A fork begins with the state that another experiment had after one of its rounds. That state is vectors of a model, of
optimizers and of clients; it means something only where these are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.experiment import ExperimentSpec
from heron_ray.spec.method import keeps_state
from heron_ray.spec.optimizer import OptimizerSpec
from heron_ray.spec.overrides import apply_overrides
from heron_ray.spec.parse import parse_spec

FIXED: Mapping[str, str] = MappingProxyType(
    {
        "schema_version": "it says how the rest is read",
        "seed": "the data, their partition and the model's first weights are drawn from it",
        "data": "the state was trained on these samples",
        "partition": "it says which client's samples the state of a client comes from",
        "model": "the state is this model's parameters",
        "clients.count": "it decides which client holds which samples",
        "method.kind": "what is kept between rounds is the method's own",
        "method.client_optimizer_lifetime": "it decides whether clients keep their optimizers' state",
        "method.alignment.samples": "so many samples are kept of every client",
        "privacy": "its account goes back to the first round: what was sent cannot be noised afterwards",
    }
)
"""Dotted paths that a fork keeps, with all below them, and why."""

FREE: tuple[str, ...] = (
    "name",
    "rounds",
    "clients",
    "method.alignment",
    "method.client_optimizer",
    "method.direction",
    "method.distillation",
    "method.mu",
    "method.objective",
    "method.reward",
    "method.server_optimizer",
    "method.server_steps",
    "method.server_zeroth_order",
    "method.temperature",
    "method.upload",
    "method.upload_every",
    "method.zeroth_order",
    "aggregation",
    "attack",
    "smashed_defence",
    "edge",
    "evaluation",
    "stop",
    "compute",
)
"""Dotted paths that a fork may change, with all below them that is not `FIXED`."""


def forked_spec(parent: ExperimentSpec, overrides: Iterable[tuple[str, Any]], *, after_round: int) -> ExperimentSpec:
    """The spec of a fork: the parent's with overrides.

    Args:
        parent: The spec of the experiment whose state it begins with.
        overrides: Dotted paths and their new values.
        after_round: The parent's round whose state that is.

    Raises:
        SpecError: The result is not valid, or changes what a fork must keep; one issue per field, with the reason.
    """
    child = parse_spec(apply_overrides(parent.canonical(), overrides)[0])
    require_forkable(parent, child, after_round=after_round)
    return child


def require_forkable(parent: ExperimentSpec, child: ExperimentSpec, *, after_round: int) -> None:
    """Raise SpecError, with one issue per field, unless `child` can begin with the state `parent` had after a round."""
    issues = [*_fixed_issues(parent, child), *_optimizer_issues(parent, child)]
    if child.rounds <= after_round:
        message = f"a fork goes on after round {after_round}, so {child.rounds} rounds leave it nothing to do"
        issues.append(SpecIssue(path="rounds", message=message))
    if issues:
        raise SpecError(issues, hint="leave these as they were, or submit a new experiment that starts from round 0")


def _fixed_issues(parent: ExperimentSpec, child: ExperimentSpec) -> Iterator[SpecIssue]:
    for path in changes(parent.canonical(), child.canonical()):
        if (reason := why_fixed(path)) is not None:
            yield SpecIssue(path=path, message=f"a fork cannot change it: {reason}")


def why_fixed(path: str) -> str | None:
    """Why a fork must keep the field at a dotted path; None where it may change it."""
    *_, nearest = sorted((known for known in (*FIXED, *FREE, "") if _lies_at(path, known)), key=len)
    return None if nearest in FREE else FIXED.get(nearest, "nothing says that the state can do without it")


def changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The dotted paths at which two canonical specs differ; of a section of another kind, the kind alone."""
    if old.get("kind") != new.get("kind"):
        yield f"{path}kind"
        return
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from changes(before, after, f"{path}{name}.")
        elif before != after:
            yield f"{path}{name}"


def _optimizer_issues(parent: ExperimentSpec, child: ExperimentSpec) -> Iterator[SpecIssue]:
    """An optimizer that keeps state between rounds must keep the same."""
    outlives = getattr(child.method, "client_optimizer_lifetime", "round") == "run"
    for name in ("client_optimizer", "server_optimizer") if outlives else ("server_optimizer",):
        before, after = getattr(parent.method, name, None), getattr(child.method, name, None)
        if before is not None and after is not None and _kept(before) != _kept(after):
            message = f"a fork cannot change it: it goes on from the state of {_kept(before)}, not of {_kept(after)}"
            yield SpecIssue(path=f"method.{name}", message=message)


def _kept(optimizer: OptimizerSpec) -> str:
    if not keeps_state(optimizer):
        return "an optimizer that keeps none"
    return f"{optimizer.kind} with momentum" if optimizer.kind == "sgd" else optimizer.kind


def _lies_at(path: str, known: str) -> bool:
    return known in ("", path) or path.startswith(f"{known}.")
